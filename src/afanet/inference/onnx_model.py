"""A network in an ONNX file that `afanet export` wrote, by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import parse_json, require_regular
from afanet.framing import RESIZES
from afanet.inference.model import About, Estimates
from afanet.limits import MOST_SIDE
from afanet.names import name_fault
from afanet.tasks.kinds import meaning_fault
from afanet.tasks.meaning import is_number, is_whole

FORMAT = 1
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel:
    """The network of an ONNX file, with the description in that file.

    `device` is `auto` (`cuda` where ONNX Runtime has it), `cpu` or `cuda`. Raises `InputError` without ONNX Runtime,
    for a device that it does not have, and for a file that is not one of `afanet export`.
    """

    def __init__(self, path: Path, device: str | None = None) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError(f"{path} takes ONNX Runtime, which is missing: pip install 'afanet[onnx]'") from None
        if not require_regular(path).exists():
            raise InputError(f"{path} does not exist, expected a file of `afanet export`")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # the lines below report what it cannot read
        provider = _provider(device or "auto", onnxruntime.get_available_providers())
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # the many kinds of ONNX Runtime have no other common base
            raise InputError(f"{path} is no ONNX file that can be read, expected one of `afanet export`") from error
        description = _description(path, self.session.get_modelmeta().custom_metadata_map.get("afanet"))
        self.path = path
        self.about = About(
            description["tasks"],
            tuple(description["size"]),
            tuple(description["mean"]),
            tuple(description["std"]),
            description.get("resize", "stretch"),  # which files by older versions do not have
        )
        self.any_batch, self.any_size = description["dynamic"]["batch"], description["dynamic"]["size"]
        outputs = {output.name for output in self.session.get_outputs()}
        if missing := [name for name in self.about.tasks if name not in outputs]:
            raise InputError(f"{path} has no output '{missing[0]}', which its description names: export the run again")
        for name, meaning in self.about.tasks.items():
            if fault := meaning_fault(meaning, referred=True):
                raise _not_ours(path, f"of task '{name}' {fault}")

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
        return {name: np.concatenate(outputs) for name, outputs in zip(names, zip(*answers, strict=True), strict=True)}


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
        description = parse_json(text, str(path))
        version = description["format"]
    except (ValueError, KeyError, TypeError):
        description, version = {}, FORMAT
    if version != FORMAT:
        raise InputError(
            f"{path} is in format {version!r:.60}, expected {FORMAT}: use the version of afanet that wrote it"
        )
    if fault := _fault(description):
        raise _not_ours(path, fault)
    return dict(description)


def _fault(description: Mapping[str, Any]) -> str | None:
    """What is invalid in the file's description, in words; None if nothing."""
    fits: dict[str, Callable[[Any], bool]] = {
        "tasks": lambda tasks: isinstance(tasks, dict) and len(tasks) > 0,
        "size": lambda size: _are(2, size, lambda side: is_whole(side, 1, MOST_SIDE)),
        "mean": lambda mean: _are(3, mean, is_number),
        "std": lambda std: _are(3, std, lambda value: is_number(value) and value > 0),
        "dynamic": lambda dynamic: isinstance(dynamic, dict) and {"batch", "size"} <= set(dynamic),
    }
    for key, fit in fits.items():
        if not fit(description.get(key)):
            return f"'{key}' is {description.get(key)!r:.60}"
    if (resize := description.get("resize", "stretch")) not in RESIZES:
        return f"'resize' is {resize!r:.60}, expected one of: {', '.join(RESIZES)}"
    for name in description["tasks"]:
        if fault := name_fault(name):
            return f"the task {name!r:.80} {fault}"
    return None


def _not_ours(path: Path, fault: str) -> InputError:
    return InputError(f"{path} does not say of itself what `afanet export` writes ({fault}): export the run again")


def _are(count: int, values: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) == count and all(map(fits, values))
