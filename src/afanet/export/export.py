"""Exports a finished run to a checked file with a model card; after an error it leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError, unknown
from afanet.export import adapters_file, aot_file, onnx_file, torch_file
from afanet.export.card import model_card
from afanet.export.check import Answer, largest_errors, random_inputs, require_same
from afanet.export.facts import describe
from afanet.export.trace import Estimator, Traced, trace
from afanet.files import require_writable, whole
from afanet.names import chosen_tasks
from afanet.runs.examples import read_test_samples, spread_over
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run, load_run
from afanet.runs.siblings import siblings
from afanet.tasks import Task

REAL = 4  # test images that the file is checked on


@dataclass(frozen=True)
class Format:
    """How a kind of file is written, with its facts, and opened to run; `free` if it takes images of any size."""

    suffix: str
    write: Callable[[Traced, Estimator, Mapping[str, Any], Path], None]
    open: Callable[[Path], Answer]
    require: Callable[[], None] = lambda: None
    free: bool = True


FORMATS = {
    "onnx": Format(onnx_file.SUFFIX, onnx_file.write_onnx, onnx_file.open_onnx, onnx_file.require_onnx),
    "torch": Format(torch_file.SUFFIX, torch_file.write_torch, torch_file.open_torch),
    # a package compiled for free sizes computes wrong numbers at all sizes but one (torch 2.14)
    "aot": Format(aot_file.SUFFIX, aot_file.write_aot, aot_file.open_aot, aot_file.require_compiler, free=False),
}


@dataclass(frozen=True)
class Exported:
    """The file, its model card, its facts, the largest relative error by task, and the images of that check."""

    file: Path
    card: Path
    facts: dict[str, Any]
    errors: dict[str, float]
    checked: str


def export_run(path: Path, format: str, out: Path | None = None, tasks: Sequence[str] | None = None) -> Exported:
    """Export the run in folder `path` as `format`, onnx, torch or aot, to `out`; with `tasks` what these need alone.

    By default `out` is `model.onnx`, `model.pt2` or `model.aot.pt2` in the run's folder, and for some of the tasks
    `model-TASK.onnx`. A package of format aot is compiled for this kind of processor and for one image of the size at
    which the run was scored.

    The network is written as it computes in float32 on the CPU, with adapters merged into its layers. The file is read
    back and compared with the run before it moves to `out`, and a model card is written next to it, with `.md` after
    its name. Raises `InputError` for a run that has not finished or does not know its tasks, a network whose weights
    or outputs are not finite, tasks that the run does not have, a network that cannot be written as one graph, and a
    file that differs from the run by more than 1e-4 of a task's largest value; nothing is left behind then.
    """
    if format not in FORMATS:
        raise unknown("format", format, [*FORMATS, adapters_file.NAME])
    kind = FORMATS[format]
    run = load_run(path)
    chosen = chosen_tasks(list(run.tasks) if tasks is None else tasks, list(run.tasks))
    some = len(chosen) < len(run.tasks)
    file = out or run.folder.output(f"{'-'.join(['model', *(chosen if some else [])])}{kind.suffix}")
    card = file.with_name(f"{file.name}.md")
    _require_target(file, card, format)
    kind.require()
    images, checked = _real_images(run)
    wanted = {name: run.tasks[name] for name in chosen}
    plain = run.recipe.model_copy(update={"device": "cpu", "precision": "float32"})
    loaded = LoadedNetwork(replace(run, recipe=plain), run.tasks, chosen)
    estimator = Estimator(loaded.merged().to(memory_format=torch.contiguous_format), wanted, some=some)
    size, channels = run.recipe.data.size, run.recipe.network.in_chans

    def answer(images: Tensor) -> dict[str, Tensor]:
        return _whole_answer(loaded, wanted, images)

    for image in (
        *random_inputs(size, channels, batch=False, other_sizes=False),
        *(image[None] for image in images),
    ):
        answer(image)  # outputs that are not finite fail now, before a folder is made and minutes pass
    traced = trace(estimator, size, channels, free=kind.free)
    facts = describe(run, wanted, traced)
    inputs = random_inputs(size, channels, batch=traced.batch, other_sizes=traced.size)
    inputs += [image[None] for image in images]
    with whole(card) as partial_card, whole(file) as partial:
        kind.write(traced, estimator, facts, partial)
        errors = largest_errors(kind.open(partial), answer, inputs)
        require_same(errors, file)
        partial_card.write_text(model_card(siblings(run), run, facts, file, errors, checked), encoding="utf-8")
    return Exported(file, card, facts, errors, checked)


def _require_target(file: Path, card: Path, format: str) -> None:
    """Raise `InputError` where the file or its card cannot be written, or the file's name is of another format."""
    suffix = FORMATS[format].suffix
    if not file.name.endswith(suffix):
        raise InputError(f"--out is {file}, expected a name that ends in {suffix} for format {format}")
    for target in (file, card):
        if target.is_dir():
            raise InputError(f"{target} is a folder, expected a path for a file: give another one with --out")
        require_writable(target)


def _whole_answer(loaded: LoadedNetwork, wanted: Mapping[str, Task], images: Tensor) -> dict[str, Tensor]:
    """What the network says of some tasks when it runs for all; raises `InputError` for what is not finite."""
    logits = loaded.logits(images, list(loaded.run.tasks))
    logits = {name: logits[name] for name in wanted}
    loaded.require_finite(logits)
    return {name: task.estimate(logits[name]) for name, task in wanted.items()}


def _real_images(run: Run) -> tuple[Tensor, str]:
    """A few images from all over the test split, and a line that says which images the file is checked on."""
    try:
        data, tasks = run.open()
    except InputError as error:
        return torch.empty(0), f"random images alone, for the run's data cannot be read: {error}"
    chosen = spread_over(len(data.test), REAL)
    return read_test_samples(data, tasks, chosen)["image"], f"random images and {len(chosen)} test images"
