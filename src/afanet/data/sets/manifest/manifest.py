"""Your own data: images and labels listed in a table, with tasks that a recipe declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afanet.data.augment import Augmentation
from afanet.data.files import require_path
from afanet.data.sample import Data, Size, Split
from afanet.data.sets.manifest.kinds import COLUMNS, declare_tasks
from afanet.data.sets.manifest.marks import held_out_warnings, machine_made
from afanet.data.sets.manifest.reader import ManifestReader
from afanet.data.sets.manifest.rows import Labels, Rows, read_rows
from afanet.data.sets.manifest.table import Table, open_table
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.tasks.column import FileColumn
from afanet.tasks.label import CONFIDENCE
from afanet.tasks.task import Task

NAMED = 12  # most columns that a message names
EXPECTED = "the folder that holds the manifest and the images"


def open_manifest(
    root: Path | None = None,
    size: Size = (224, 224),
    *,
    tasks: dict[str, Any] | None = None,
    manifest: str = "manifest.csv",
    augment: Augmentation = True,
) -> Data:
    """Images in the folder `root` with labels from its file `manifest`, which has a column for each of `tasks`.

    The manifest is CSV or Parquet. Every row has the path of an `image` below `root`, a `split` (train, validation or
    val, test) and, in the column of each task, a label or nothing; an optional `group` names the person or scene. Each
    task is declared by its `kind` and the keys of that kind: see `manifest.kinds`. A row without any label is left out.
    `machine_made` names the tasks of a row whose labels a network has given; `TASK_confidence` has their confidence.
    """
    root = require_path(root, "manifest", EXPECTED)
    if not root.is_dir():
        raise InputError(f"data path '{root}' is a file, expected {EXPECTED}: name the file with data.options.manifest")
    declared = declare_tasks(tasks or {})
    table = open_table(root / manifest)
    rows = read_rows(table, {name: column for name, (column, _) in declared.items()})
    lacking = [
        f"{table.path} has no row of split '{split}' with a label, expected some: add them"
        for split in ("train", "test")
        if not len(rows.splits[split]) and not rows.problems
    ]
    if lacking and not any(map(len, rows.splits.values())):
        raise InputError(lacking[0])
    read = ManifestReader(root, table, rows)
    held = rows.splits["validation"]
    made = machine_made(rows)
    return Data(
        train=Split(read, rows.splits["train"], training(size, zoom=1.25, augment=augment)),
        validation=Split(read, held, evaluation(size)) if len(held) else None,
        test=Split(read, rows.splits["test"], evaluation(size)),
        tasks={name: _looked_at(task, root, rows.labels[name]) for name, (_, task) in declared.items()},
        describe=_describe(table, rows, size),
        problems=rows.problems,
        lacking=lacking,
        warnings=[*_unread(table, rows), *held_out_warnings(made)],
        unlabelled=rows.bare,
        remedies={name: column.remedy for name, (column, _) in declared.items()},
        machine_made=made,
    )


def _looked_at(task: Task, root: Path, labels: Labels) -> Task:
    """The task, completed by its first label file if its labels are files."""
    if not isinstance(labels.column, FileColumn) or not labels.labelled.any():
        return task
    return labels.column.looked_at(task, root / labels.values[int(labels.labelled.argmax())].as_py())


def _describe(table: Table, rows: Rows, size: Size) -> str:
    train, validation, test = (len(rows.splits[name]) for name in ("train", "validation", "test"))
    labels = ", ".join(f"{name} {_count(labels)}" for name, labels in rows.labels.items())
    left_out = f"; left out {rows.unlabelled} rows without any label" if rows.unlabelled else ""
    return (
        f"manifest: {train} training, {validation} validation and {test} test images of {table.path.name}, "
        f"at {size[0]}x{size[1]}; labelled {labels}{left_out}"
    )


def _count(labels: Labels) -> str:
    made = 0 if labels.made is None else int((labels.made & labels.labelled).sum())
    return f"{labels.labelled.sum()}" + (f" ({made} machine-made)" if made else "")


def _unread(table: Table, rows: Rows) -> list[str]:
    read = {*COLUMNS, *rows.labels, *(f"{name}{CONFIDENCE}" for name in rows.labels)}
    others = [name for name in table.header if name not in read]
    more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return [f"{table.path} has columns that no task reads: {', '.join(others[:NAMED])}{more}"] if others else []
