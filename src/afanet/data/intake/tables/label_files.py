"""Columns that name files: the kind of labels in these files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from afanet.data.intake.cells import Cells
from afanet.data.intake.contents import Column
from afanet.data.intake.guesses.values import words
from afanet.data.intake.tables.names import NONE, ImageNames
from afanet.errors import InputError
from afanet.tasks.column import FileColumn

MOST_COLOURS = 256  # of a mask; a photo has thousands
MOST = 0.2  # share of the named files that may be missing
KINDS = {
    **dict.fromkeys(("mask", "masks", "seg", "segmentation", "label", "labels", "annotation", "gt"), "segmentation"),
    "depth": "depth",
    **dict.fromkeys(("normal", "normals"), "normals"),
}


def guess_files(
    name: str, cells: Cells, root: Path, files: Sequence[str], columns: Mapping[str, type[FileColumn]]
) -> Column | str:
    """The task of a column that names `files` below `root`, or a sentence that says why it has none."""
    names = ImageNames(files)
    places = {cell: names.find(cell) for cell in cells.counts() if cell}
    located = {cell: files[place] for cell, place in places.items() if place > NONE}
    if len(located) < (1 - MOST) * len(places):
        missing = next(cell for cell in places if cell not in located)
        return f"it names {len(places)} files, of which {len(places) - len(located)} are not there, such as {missing}"
    kind = next((KINDS[word] for word in words(name) if word in KINDS), None)
    first = root / next(iter(located.values()))
    kind = kind or kind_of_file(first)
    if kind is None or first.suffix.lower() not in columns[kind].endings:
        return f"it names files such as {first.name}, which are not labels of a known kind"
    kept = cells.mapped(lambda cell: located.get(cell, ""))
    try:
        declared, remark = columns[kind].guess([root / file for file in dict.fromkeys(located.values())])
    except InputError as error:
        return f"it names files, of which one cannot be used: {error}"
    missing_too = f"; {len(places) - len(located)} more are not there" if len(located) < len(places) else ""
    return Column({"kind": kind, **declared}, kept, f"{len(kept)} files{remark}{missing_too}")


def kind_of_file(path: Path) -> str | None:
    """The kind of labels in a file, by its shape and type; None if these do not decide it."""
    try:
        if path.suffix.lower() in (".npy", ".npz"):
            return _kind_of_array(path)
        if path.suffix.lower() == ".exr":
            return "depth"
        with Image.open(path) as image:
            if image.mode == "RGB":
                colours = image.getcolors(MOST_COLOURS)
                return "segmentation" if colours and len(colours) > 1 else None
            return "depth" if image.mode[0] in "IF" else "segmentation" if image.mode in ("1", "L", "P") else None
    except Exception:  # Pillow and NumPy raise many kinds of error for broken files
        return None


def _kind_of_array(path: Path) -> str | None:
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    array = stored[stored.files[0]] if path.suffix.lower() == ".npz" else stored
    if array.ndim == 3:
        return "normals" if array.shape[2] == 3 and array.dtype.kind == "f" else None
    whole = array.dtype.itemsize == 1 or array.dtype == bool
    return None if array.ndim != 2 else "segmentation" if whole else "depth"
