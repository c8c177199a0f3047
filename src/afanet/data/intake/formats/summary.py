"""Turns collected annotations into the contents of a folder: tasks, their cells, and the masks to draw."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from afanet.data.intake.contents import Column, Contents
from afanet.data.intake.formats.collected import Collected
from afanet.data.intake.formats.drawing import (
    FOLDER,
    MOST_CLASSES,
    MOST_IN_BYTES,
    Drawing,
    class_colours,
    mask_names,
    require_absent,
)
from afanet.data.intake.guess import guess_column
from afanet.data.intake.tables.headers import task_name
from afanet.errors import InputError
from afanet.photo import photo_size

BACKGROUND = "background"
BACKGROUNDS = ("background", "_background_", "__background__")
CONTENTS = "contents"


def summarise(collected: Collected, folder: Path, source: str, labels: Sequence[str]) -> Contents:
    """The contents of `folder`, from the annotations collected in `source`; `labels` are the names in order.

    Raises `InputError` if there is nothing to learn from.
    """
    columns: dict[str, Column] = {}
    drawing = None
    has_shapes = next(collected.ask("select 1 from shapes"), None) is not None
    if has_shapes:
        drawing, columns[FOLDER] = _masks(collected, folder, source, labels)
        collected.notes.add(
            "labels of images by boxes are left out, since there are masks", count=collected.count("boxes")
        )
    elif column := _contents(collected, labels):
        columns[CONTENTS] = column
    left = _values(collected, columns)
    images = dict(collected.ask("select path, split from images order by id"))
    if not columns:
        reasons = "; ".join([*left, *collected.notes.lines()])
        raise InputError(
            f"{source} lists {len(images)} images below {folder} and nothing to learn from them, expected shapes, "
            f"boxes or attributes{f' ({reasons})' if reasons else ''}"
        )
    has_splits = "train" in images.values()  # otherwise the images are split by their names
    return Contents(
        [path for path, split in images.items() if split or not has_splits],
        columns,
        [],
        {path: split for path, split in images.items() if split and has_splits},
        [path for path, split in images.items() if not split and has_splits],
        notes=[f"read: {source}", *collected.notes.lines(), *left],
        masks=drawing,
    )


def _masks(collected: Collected, folder: Path, source: str, labels: Sequence[str]) -> tuple[Drawing, Column]:
    """The drawing of the masks, and the task that learns them."""
    require_absent(folder)
    drawn = {number for (number,) in collected.ask("select distinct label from shapes")}
    boxed = {number for (number,) in collected.ask("select distinct label from boxes")} - drawn
    labels = [name for name in labels if collected.labels.get(name) not in boxed]
    names = [BACKGROUND, *(name for name in labels if name.lower() not in BACKGROUNDS)]
    if not 2 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{source} has {len(names) - 1} classes beside background, expected 1 to {MOST_CLASSES - 1:,}")
    _require_whole(collected)
    _require_sizes(collected, folder)
    labelled = list(collected.ask("select path, id from images where labelled = 1 order by id"))
    if not labelled:
        reasons = "; ".join(collected.notes.lines())
        raise InputError(f"{source} has shapes, but no image of them can be used: {reasons}")
    cells = dict(zip((path for path, _ in labelled), mask_names([path for path, _ in labelled]), strict=True))
    collected.database.executemany("update images set mask = ? where path = ?", ((cells[path], path) for path in cells))
    order = {name: number for number, name in enumerate(names)}
    numbers = {number: order.get(name, 0) for name, number in collected.labels.items()}
    shapes = collected.count("shapes join images on image = id where labelled = 1")
    empty = collected.count("images where labelled = 1 and id not in (select image from shapes)")
    collected.notes.add("images without a shape are background all over", count=empty)
    void = 255 if len(names) <= MOST_IN_BYTES else 65_535
    summary = f"{len(cells)} masks of {len(names)} classes, drawn from {shapes} shapes into {FOLDER}/"
    declared = {"kind": "segmentation", "classes": names, "void": void}
    drawing = Drawing(collected, numbers, class_colours(names, collected.colours))
    return drawing, Column(declared, cells, summary)


def _require_whole(collected: Collected) -> None:
    """Leave an image without a mask if something of the masks' classes only has a box in it."""
    within = "(select image from boxes where label in (select label from shapes))"
    changed = collected.database.execute(
        f"update images set labelled = 0 where labelled = 1 and id in {within}"
    ).rowcount
    collected.notes.add("images get no mask, since something in them only has a box", count=changed)


def _require_sizes(collected: Collected, folder: Path) -> None:
    """Leave an image without a mask if its size is not the one for which its shapes were drawn."""
    changed = []
    for image, path, height, width in collected.ask("select id, path, height, width from images where labelled = 1"):
        size = None
        with suppress(InputError):  # `data check` reports images that cannot be read
            size = photo_size(folder / path)
        if size != (height, width):
            actual = f"{size[0]}x{size[1]}" if size else "not readable"
            collected.notes.add(
                "images get no mask, since their size is not the stated one",
                f"{path}, {actual} and not {height}x{width}",
            )
            changed.append((image,))
    collected.database.executemany("update images set labelled = 0 where id = ?", changed)


def _contents(collected: Collected, labels: Sequence[str]) -> Column | None:
    """The task of naming the things in an image, from its boxes."""
    present = {number for (number,) in collected.ask("select distinct label from boxes")}
    names = [name for name in labels if collected.labels.get(name) in present]
    if not names:
        return None
    if bad := [name for name in names if ";" in name or name == "-"]:
        raise InputError(f"the label {bad[0]!r} cannot be written in a list, expected one without ';': rename it")
    cells = {path: "-" for (path,) in collected.ask("select path from images where labelled = 1 order by id")}
    for name in names:
        query = "select path from boxes join images on image = id where label = ?"
        for (path,) in collected.ask(query, collected.labels[name]):
            cells[path] = f"{cells[path]};{name}" if cells.get(path, "-") != "-" else name
    summary = f"{len(cells)} images with the labels of their boxes, {len(names)} in all; the boxes are left out"
    return Column({"kind": "multi_label", "labels": names}, cells, summary)


def _values(collected: Collected, columns: dict[str, Column]) -> list[str]:
    """Add a task for each column of values that makes one; returns lines about the others."""
    left = []
    for (name,) in list(collected.ask("select distinct name from cells order by name")):
        cells = dict.fromkeys((path for (path,) in collected.ask("select path from images order by id")), "")
        cells |= dict(collected.ask("select path, value from cells join images on image = id where name = ?", name))
        column = guess_column(name, cells)
        if isinstance(column, str):
            left.append(f"left out: attribute '{name}': {column}")
        else:
            columns[task_name(name, columns)] = column
    return left
