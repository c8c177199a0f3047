"""Exports a finished run to a checked file with a model card; after an error nothing is left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError, unknown
from afanet.export import adapters_file, aot_file, executorch_file, onnx_file, openvino_file, torch_file
from afanet.export.card import model_card
from afanet.export.check import Answer, largest_errors, random_inputs, require_same
from afanet.export.facts import describe
from afanet.export.precision import Compression, Compressor, Finish
from afanet.export.trace import Estimator, Traced, trace
from afanet.files import require_writable, whole
from afanet.names import chosen_tasks
from afanet.runs.examples import read_test_samples, spread_over
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run, load_run
from afanet.runs.siblings import siblings
from afanet.tasks import Task

REAL = 4  # test images on which the file is checked


@dataclass(frozen=True)
class Format:
    """How a kind of file is written, with its facts, and opened; `free` says whether it may take images of any size.

    `finish` writes it from an ONNX file; a format without it exists in float32 only.
    """

    suffix: str
    write: Callable[[Traced, Estimator, Mapping[str, Any], Path], None]
    open: Callable[[Path], Answer]
    require: Callable[[], None] = lambda: None
    free: bool = True
    finish: Finish | None = None


FORMATS = {
    "onnx": Format(
        onnx_file.SUFFIX,
        onnx_file.write_onnx,
        onnx_file.open_onnx,
        onnx_file.require_onnx,
        finish=onnx_file.finish_onnx,
    ),
    "openvino": Format(
        openvino_file.SUFFIX,
        openvino_file.write_openvino,
        openvino_file.open_openvino,
        openvino_file.require_openvino,
        finish=openvino_file.convert,
    ),
    "executorch": Format(
        executorch_file.SUFFIX,
        executorch_file.write_executorch,
        executorch_file.open_executorch,
        executorch_file.require_executorch,
        free=False,
    ),
    "torch": Format(torch_file.SUFFIX, torch_file.write_torch, torch_file.open_torch),
    # compiled for free sizes, a package computes wrong numbers at all sizes but one (torch 2.14)
    "aot": Format(aot_file.SUFFIX, aot_file.write_aot, aot_file.open_aot, aot_file.require_compiler, free=False),
}


@dataclass(frozen=True)
class Exported:
    """The file, its model card and facts, the largest relative error by task, and which images were `checked`.

    `size` counts the bytes of the file, including weights that the format keeps in a second file.
    """

    file: Path
    card: Path
    facts: dict[str, Any]
    errors: dict[str, float]
    checked: str
    size: int


def export_run(
    path: Path,
    format: str,
    out: Path | None = None,
    tasks: Sequence[str] | None = None,
    compression: Compression | None = None,
) -> Exported:
    """Export the run in folder `path` to the file `out`, in the `format` onnx, openvino, executorch, torch or aot.

    By default `out` is `model` with the format's ending, such as `model.onnx`, in the run's folder. If `tasks` names
    some of the tasks, only these are exported, to `model-TASK.onnx`; a compressed file is `model-int8.onnx`. Files of
    executorch and aot take one image of the size at which the run was scored; aot compiles for this kind of processor.

    The network is written as it computes in float32 on the CPU, with adapters merged into its layers. The file is read
    back and compared with the run before it moves to `out`, and a model card is written beside it, as `out` plus `.md`.
    With `compression` (onnx and openvino only), a file in fewer bits is made from it, and its scores on held-out data
    are compared with those of float32, see `compress`.

    Raises `InputError` for a run that has not finished or does not know its tasks, a network whose weights or outputs
    are not finite, tasks that the run does not have, a network that cannot be written as one graph, a file that differs
    from the run by more than 1e-4 of a task's largest value, calibration images that the network cannot take, and a
    compressed file whose scores are worse by more than the tolerance. Nothing is left behind then.
    """
    kind = _chosen_format(format, compression)
    run = load_run(path)
    chosen = chosen_tasks(list(run.tasks) if tasks is None else tasks, list(run.tasks))
    some = len(chosen) < len(run.tasks)
    words = ["model", *(chosen if some else []), *([compression.precision] if compression else [])]
    file = out or run.folder.output(f"{'-'.join(words)}{kind.suffix}")
    card = file.with_name(f"{file.name}.md")
    _require_target(file, card, format)
    kind.require()
    compressor = Compressor.of(compression, run, chosen) if compression else None
    images, checked = _real_images(run)
    plain = run.recipe.model_copy(update={"device": "cpu", "precision": "float32"})
    loaded = LoadedNetwork(replace(run, recipe=plain), run.tasks, chosen)
    float32 = _Float32(run, loaded, {name: run.tasks[name] for name in chosen}, images)
    traced, estimator = float32.traced(some, free=kind.free)
    facts = describe(run, float32.tasks, traced)
    with TemporaryDirectory(prefix="afanet-export-") as folder:
        (made := Path(folder) / "made").mkdir()
        written = FORMATS["onnx"] if compressor else kind
        source = Path(folder) / "model.onnx" if compressor else made / file.name
        written.write(traced, estimator, facts, source)
        errors = largest_errors(written.open(source), float32.answer, float32.inputs(traced))
        require_same(errors, file)
        if compressor and kind.finish:
            facts = compressor.write(source, facts, made / file.name, kind.finish, kind.open)
        text = model_card(siblings(run), run, facts, file, errors, checked)
        size = sum(each.stat().st_size for each in made.iterdir())
        (made / card.name).write_text(text, encoding="utf-8")
        _place(made, file.parent)
    return Exported(file, card, facts, errors, checked, size)


@dataclass(frozen=True)
class _Float32:
    """The run's network, for some or all tasks; the file is written from it and compared with it."""

    run: Run
    loaded: LoadedNetwork
    tasks: dict[str, Task]
    images: Tensor  # of the test split

    def traced(self, some: bool, *, free: bool) -> tuple[Traced, Estimator]:
        """The network as a graph; raises `InputError` for outputs that are not finite before the slow steps begin."""
        estimator = Estimator(self.loaded.merged().to(memory_format=torch.contiguous_format), self.tasks, some=some)
        size, channels = self.run.recipe.data.size, self.run.recipe.network.in_chans
        noise = random_inputs(size, channels, batch=False, other_sizes=False)
        for image in (*noise, *(image[None] for image in self.images)):
            self.answer(image)
        return trace(estimator, size, channels, free=free), estimator

    def inputs(self, traced: Traced) -> list[Tensor]:
        """The images on which a file is compared."""
        size, channels = self.run.recipe.data.size, self.run.recipe.network.in_chans
        inputs = random_inputs(size, channels, batch=traced.batch, other_sizes=traced.size)
        return [*inputs, *(image[None] for image in self.images)]

    def answer(self, images: Tensor) -> dict[str, Tensor]:
        """The estimates of the whole network for its tasks; raises `InputError` if logits are not finite."""
        logits = self.loaded.logits(images, list(self.run.tasks))
        logits = {name: logits[name] for name in self.tasks}
        self.loaded.require_finite(logits)
        return {name: task.estimate(logits[name]) for name, task in self.tasks.items()}


def _chosen_format(format: str, compression: Compression | None) -> Format:
    if format not in FORMATS:
        raise unknown("format", format, [*FORMATS, adapters_file.NAME])
    if compression and FORMATS[format].finish is None:
        able = ", ".join(name for name, kind in FORMATS.items() if kind.finish)
        raise InputError(f"format {format} exists in float32 only, and --{compression.precision} is for: {able}")
    return FORMATS[format]


def _place(made: Path, folder: Path) -> None:
    """Move all files in `made` to `folder`, all of them or none."""
    with ExitStack() as stack:
        for file in sorted(made.iterdir()):
            shutil.move(file, stack.enter_context(whole(folder / file.name)))


def _require_target(file: Path, card: Path, format: str) -> None:
    """Raise `InputError` if the file or its card cannot be written, or if the file's name is of another format."""
    suffix = FORMATS[format].suffix
    if not file.name.endswith(suffix):
        raise InputError(f"--out is {file}, expected a name that ends in {suffix} for format {format}")
    for target in (file, card):
        if target.is_dir():
            raise InputError(f"{target} is a folder, expected a path for a file: give another one with --out")
        require_writable(target)


def _real_images(run: Run) -> tuple[Tensor, str]:
    """A few images spread over the test split, and a line that says on which images the file is checked."""
    try:
        data, tasks = run.open()
    except InputError as error:
        return torch.empty(0), f"random images only, because the run's data cannot be read: {error}"
    chosen = spread_over(len(data.test), REAL)
    return read_test_samples(data, tasks, chosen)["image"], f"random images and {len(chosen)} test images"
