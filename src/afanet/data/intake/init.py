"""A first manifest and recipe for a folder of images, or for a file of labels."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from afanet.data.intake.contents import Contents
from afanet.data.intake.first_recipe import write_recipe
from afanet.data.intake.sources import read_contents
from afanet.data.intake.splits import choose_splits
from afanet.data.intake.unread import unread_folders
from afanet.errors import InputError
from afanet.files import write_all

MANIFEST, RECIPE = "manifest.csv", "recipe.yaml"


def init_manifest(path: Path) -> str:
    """Write `manifest.csv` and `recipe.yaml` into a folder of images, and return a summary for the user.

    Images are in the folder itself, in `images/`, or in one folder for each class. Label files with the images' names
    are in the folders of their kind of task, such as `segmentation/` (or `labels/`, `masks/`) and `depth/`, or beside
    the images, as `001_mask.png`. A table (CSV or Parquet) with a row for each image may have more labels; the meaning
    of its columns is guessed from their cells. Files of annotation tools may have labels, too; their polygons are drawn
    into label files in `segmentation/`. `path` is the folder, or such a file, which may be in a folder below it.

    Splits given by folders, such as `train/` and `val/`, or by the table are kept. Without them, a tenth of the
    labelled images, chosen by a hash of their names or groups, is for testing, and another tenth for validation.
    Raises `InputError`, and writes nothing, if there is nothing to learn from, two files would have the same name, or
    a file to write exists.
    """
    if path.name == MANIFEST and path.is_file():
        raise InputError(f"{path} has the name of the file to write: rename it, such as to labels.csv, to read it")
    if path.is_dir():
        _require_free(path)
    root, contents = read_contents(path)
    _require_free(root)
    labelled = {name: column.cells for name, column in contents.columns.items()}
    splits, how = choose_splits(contents.splits, labelled, contents.groups, contents.split_source)
    files = {root / MANIFEST: _manifest(contents, splits), root / RECIPE: write_recipe(contents, splits, root)}
    with contents.masks.written(root) if contents.masks else nullcontext():
        write_all(files)
    lines = [*_lines(contents, splits, root), f"{how}: {_counts(splits)}"]
    for split in ("train", "test"):
        lacking = [name for name, images in labelled.items() if all(splits[image] != split for image in images)]
        lines += [f"warning: split {split} has no label for {name}: label more images" for name in lacking]
    lines += unread_folders(contents, contents.root or root)
    if contents.no_labels:
        lines += ["warning: these columns are not learned", *(f"  {line}" for line in contents.no_labels)]
        lines += [f"to learn one, correct its cells, remove {MANIFEST} and {RECIPE}, and run this command again"]
    lines += [f"written: {root / MANIFEST}, {root / RECIPE}"]
    lines += [f"next: look over {root / RECIPE}, then", f"  afanet data check {root}"]
    return "\n".join([*lines, f"  afanet train {root / RECIPE}"])


def _require_free(folder: Path) -> None:
    for name in (MANIFEST, RECIPE):
        if (folder / name).exists():
            raise InputError(f"{folder / name} exists and is never overwritten: move it away first")


def _lines(contents: Contents, splits: Mapping[str, str], root: Path) -> list[str]:
    """What was detected and assumed, one line for each finding."""
    in_folders = contents.split_source == "folder"
    lines = [f"{root}: {len(contents.images)} images"]
    lines += [f"  {name}: {column.summary}" for name, column in contents.columns.items()]
    lines += [f"  {note}" for note in contents.notes]
    if contents.unpaired:
        lines += [
            f"  left out: {len(contents.unpaired)} files without an image of their name, such as {contents.unpaired[0]}"
        ]
    given = "listed with their folders' splits" if in_folders else "listed with their splits"
    listed = given if contents.splits else "listed as train"
    if bare := [image for image in contents.images if image not in splits]:
        lines += [f"  without any label: {len(bare)} images, such as {bare[0]}: {listed}, not part of the split"]
    if contents.outside:
        where = "folder of a split" if in_folders else "split"
        lines += [f"  left out: {len(contents.outside)} images in no {where}, such as {contents.outside[0]}"]
    return lines


def _counts(splits: Mapping[str, str]) -> str:
    counts = Counter(splits.values())
    return ", ".join(f"{counts[name]} {name}" for name in ("train", "validation", "test"))


def _manifest(contents: Contents, splits: Mapping[str, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    grouped = ["group"] if contents.groups else []
    writer.writerow(["image", "split", *grouped, *contents.columns])
    for image in contents.images:
        group = [contents.groups.get(image, "")] * len(grouped)
        cells = [column.cells.get(image, "") for column in contents.columns.values()]
        writer.writerow([image, splits.get(image) or contents.splits.get(image, "train"), *group, *cells])
    return text.getvalue()
