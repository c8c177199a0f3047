"""Labels images by a teacher, and lists them in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from afanet.errors import InputError, shown
from afanet.inference.predictor import Predictor
from afanet.labelling.cells import Cells
from afanet.labelling.summary import Labelled
from afanet.labelling.table import open_table
from afanet.labelling.teacher import Asked, Teacher
from afanet.labelling.work import Work
from afanet.limits import MOST_PHOTOS


def label(
    teacher: str | Path | Teacher,
    images: Iterable[str | Path],
    out: str | Path,
    *,
    tasks: Sequence[str] | None = None,
    threshold: float | None = None,
    fill: bool = False,
    batch_size: int = 8,
    device: str | None = None,
    declared: Mapping[str, Mapping[str, Any]] = {},
    begin: Callable[[int], Callable[[], None]] = lambda total: lambda: None,
) -> Labelled:
    """Label images by a teacher: write a table at `out`, and dense labels as files in `TASK-machine/` beside it.

    For each image, the table has its path, the split `train`, a label for each task with its `TASK_confidence`, and in
    `machine_made` the names of the tasks that were labelled here. The table is written as a whole at the end, or not at
    all: after an error or an interruption, no label file is left either.

    Args:
        teacher: a run, a saved folder, `hub:OWNER/NAME` or an ONNX file; a `Predictor`; or your own, see `Teacher`.
        images: paths of images in the folder of `out` or below; with `fill` may be empty, for all images of the table.
        out: a `.csv` or `.parquet` file, new unless `fill`.
        tasks: the tasks to label, by default all tasks of the teacher.
        threshold: the confidence, 0 to 1, below which cells stay empty and pixels become void.
        fill: fill only the empty cells of an existing table, in rows of the split `train`, and add images that the
            table does not list. Everything else stays as it is.
        batch_size: number of photos at a time.
        device: where a network computes, by default the recipe's device.
        declared: by task, the keys with which a recipe declares the table's columns, if not as `Labelled.declared`.
        begin: called with the number of images to read; it returns a function that is called after each image.

    Returns:
        What was labelled.

    Raises:
        InputError: for input that cannot be used, for a teacher whose classes differ from the table's, and for a
            threshold that leaves no label.
    """
    out = Path(out)
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold is {shown(threshold)}, expected a confidence from 0 to 1")
    if not 1 <= batch_size <= MOST_PHOTOS:
        raise InputError(f"batch_size is {shown(batch_size)}, expected 1 to {MOST_PHOTOS}")
    require_out(out, fill)
    table = open_table(out, new=not fill)
    if isinstance(teacher, str | Path):
        teacher = Predictor(teacher, tasks=tasks, batch_size=batch_size, device=device)
    work = Work(table, Asked(teacher, tasks), Cells(out.parent, threshold, declared), batch_size)
    try:
        return work.run(list(images), begin)
    except BaseException:
        work.cells.remove()
        raise


def require_out(out: Path, fill: bool) -> None:
    """Raise `InputError` without `fill` for a table that exists, and with `fill` for one that does not."""
    if out.exists() and not fill:
        raise InputError(f"{out} exists and is never overwritten: fill its empty cells with --fill, or move it away")
    if fill and not out.is_file():
        raise InputError(f"{out} is not a file, expected a table to fill: leave --fill out for a new one")
