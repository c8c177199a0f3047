"""A network in an ONNX file that `afanet export` wrote, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError, shown
from afanet.files import require_regular
from afanet.framing import RESIZES
from afanet.inference.model import About, Estimates
from afanet.install import missing_package
from afanet.json_text import parse_json
from afanet.limits import MOST_CHANNELS, MOST_SIDE, MOST_TASKS
from afanet.names import name_fault
from afanet.normalisation import LEAST, MOST
from afanet.tasks.kinds import KINDS, meaning_fault
from afanet.tasks.meaning import is_number, is_whole

FORMAT = 1
MOST_BYTES = 2**24  # of a description: thousands of times the size of ours
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel:
    """The network of an ONNX file, with the description in that file.

    `device` is `auto` (`cuda` where ONNX Runtime has it), `cpu` or `cuda`; `tasks` are those whose outputs are read,
    None for all. Raises `InputError` without ONNX Runtime, for a device that it does not have, for a file that is not
    one of `afanet export`, and for tasks that the file does not have.
    """

    def __init__(self, path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError(f"{path} takes ONNX Runtime, and {missing_package('onnxruntime', 'onnx')}") from None
        if not require_regular(path).exists():
            raise InputError(f"{path} does not exist, expected a file of `afanet export`")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # the lines below report what it cannot read
        provider = _provider(device or "auto", onnxruntime.get_available_providers())
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # the many kinds of ONNX Runtime have no other common base
            raise InputError(f"{path} is no ONNX file that can be read, expected one of `afanet export`") from error
        try:
            text = self.session.get_modelmeta().custom_metadata_map.get("afanet")
        except UnicodeDecodeError:
            raise _not_ours(path, "it is no UTF-8 text") from None
        description = _description(path, text)
        self.path = path
        self.about = About(
            description["tasks"],
            tuple(description["size"]),
            tuple(description["mean"]),
            tuple(description["std"]),
            description.get("resize", "stretch"),  # which files by older versions do not have
        )
        self.any_batch, self.any_size = description["dynamic"]["batch"], description["dynamic"]["size"]
        described = self.about.normalisation.channels
        for taken in (put.shape[1] for put in self.session.get_inputs() if len(put.shape) == 4):
            if isinstance(taken, int) and taken != described:
                raise _not_ours(path, f"'mean' is of {described} channels, and its images have {taken}")
        outputs = {output.name for output in self.session.get_outputs()}
        if missing := [name for name in self.about.tasks if name not in outputs]:
            raise InputError(f"{path} has no output '{missing[0]}', which its description names: export the run again")
        for name, meaning in self.about.tasks.items():
            if fault := meaning_fault(meaning, referred=True):
                raise _not_ours(path, f"of task '{name}' {fault}")
        if tasks is not None:
            self.about = self.about.only(tasks)

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        """See `Model`; raises `InputError` for another size than the file's where that is fixed."""
        height, width = self.about.size
        if not self.any_size and images.shape[-2:] != (height, width):
            raise InputError(f"{self.path} takes images of {height}x{width} pixels alone: leave --scales out")
        parts = [images] if self.any_batch else np.split(images, len(images))
        names = list(self.about.tasks)
        try:
            answers = [self.session.run(names, {"image": part}) for part in parts]
        except Exception as error:  # the many kinds of ONNX Runtime have no other common base
            reason, size = str(error).partition("\n")[0], f"{images.shape[-2]}x{images.shape[-1]}"
            raise InputError(
                f"{self.path} cannot take {len(images)} images of {size} pixels ({reason}): "
                f"leave --scales out, for {height}x{width}, or give a smaller --batch-size"
            ) from error
        estimates = {name: np.concatenate(parts) for name, parts in zip(names, zip(*answers, strict=True), strict=True)}
        for name, meaning in self.about.tasks.items():
            expected, shape = KINDS[meaning["kind"]].result_class.estimate_shape(meaning), estimates[name].shape
            if expected is not None and not _fits(shape, (len(images), *expected)):
                raise _not_ours(self.path, f"output '{name}' is {shape}, expected {(len(images), *expected)}")
        return estimates


def _provider(device: str, available: list[str]) -> str:
    here = [name for name, provider in PROVIDERS.items() if provider in available]
    chosen = here[-1] if device == "auto" else device
    if chosen not in here:
        raise InputError(f"device '{device}' is not there for ONNX Runtime, expected one of: auto, {', '.join(here)}")
    return PROVIDERS[chosen]


def _description(path: Path, text: str | None) -> dict[str, Any]:
    """The part of the file's description of its network that is needed here."""
    if text is None:
        raise InputError(f"{path} is an ONNX file, but none of `afanet export`: it does not say what its outputs mean")
    try:
        description = parse_json(text[: MOST_BYTES + 1], "it")
    except InputError as error:
        raise _not_ours(path, str(error)) from None
    if not isinstance(description, dict):
        raise _not_ours(path, f"it is {shown(description)}")
    if (version := description.get("format", FORMAT)) != FORMAT:
        raise InputError(
            f"{path} is in format {shown(version)}, expected {FORMAT}: use the version of afanet that wrote it"
        )
    if fault := _fault(description):
        raise _not_ours(path, fault)
    return dict(description)


def _fault(description: Mapping[str, Any]) -> str | None:
    """What is invalid in the file's description, in words; None if nothing."""
    mean = description.get("mean")
    channels = len(mean) if isinstance(mean, list) and 0 < len(mean) <= MOST_CHANNELS else 3
    fits: dict[str, Callable[[Any], bool]] = {
        "tasks": lambda tasks: isinstance(tasks, dict) and 0 < len(tasks) <= MOST_TASKS,
        "size": lambda size: _are(2, size, lambda side: is_whole(side, 1, MOST_SIDE)),
        "mean": lambda mean: _are(channels, mean, lambda value: is_number(value) and abs(value) <= MOST),
        "std": lambda std: _are(channels, std, lambda value: is_number(value) and LEAST <= value <= MOST),
        "dynamic": lambda dynamic: (
            isinstance(dynamic, dict) and all(isinstance(dynamic.get(key), bool) for key in ("batch", "size"))
        ),
    }
    for key, fit in fits.items():
        if not fit(description.get(key)):
            return f"'{key}' is {shown(description.get(key))}"
    if (resize := description.get("resize", "stretch")) not in RESIZES:
        return f"'resize' is {shown(resize)}, expected one of: {', '.join(RESIZES)}"
    for name in description["tasks"]:
        if fault := name_fault(name):
            return f"the task {name!r:.80} {fault}"
    return None


def _not_ours(path: Path, fault: str) -> InputError:
    return InputError(f"{path} does not say of itself what `afanet export` writes ({fault}): export the run again")


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        length is None or size == length for size, length in zip(shape, expected, strict=True)
    )


def _are(count: int, values: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) == count and all(map(fits, values))
