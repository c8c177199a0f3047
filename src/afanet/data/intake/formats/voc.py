"""Pascal VOC: unchanged masks, the names of objects, and the lists of splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from afanet.data.intake.contents import Column, Contents
from afanet.data.intake.formats.images import split_of
from afanet.data.intake.formats.tally import Tally
from afanet.data.intake.formats.voc_masks import NAMES, declare_masks
from afanet.data.intake.formats.xml_stream import xml_elements
from afanet.errors import InputError
from afanet.files import read_text
from afanet.photo import SUFFIXES

IMAGES, MASKS, OBJECTS, LISTS = "JPEGImages", "SegmentationClass", "Annotations", "ImageSets"
ENTRY = "entries of lists of splits name no image"


def voc_roots(paths: Sequence[str]) -> list[str]:
    """The relative paths of folders that contain Pascal VOC's folders.

    >>> voc_roots(["VOC2012/JPEGImages/a.jpg", "VOC2012/SegmentationClass/a.png", "b.jpg"])
    ['VOC2012']
    """
    above: dict[str, set[str]] = {}
    for path in paths:
        parts = path.split("/")
        for number, part in enumerate(parts[:-1]):
            if part in (IMAGES, MASKS, OBJECTS):
                above.setdefault("/".join(parts[:number]), set()).add(part)
    return sorted(root for root, folders in above.items() if IMAGES in folders and len(folders) > 1)


def read_voc(roots: Sequence[str], folder: Path) -> Contents:
    """The contents of folders in Pascal VOC's layout, given as relative paths in `folder`.

    Raises `InputError` for files that cannot be used.
    """
    notes = Tally()
    images: dict[str, str | None] = {}
    masks: dict[str, Path] = {}
    objects: dict[str, list[str]] = {}
    for root in roots:
        base = folder / root
        by_stem = {path.stem: path.relative_to(folder).as_posix() for path in _files(base / IMAGES, SUFFIXES)}
        splits = _splits(base, set(by_stem), notes)
        images |= {path: splits.get(stem) for stem, path in by_stem.items()}
        for mask in _files(base / MASKS, {".png"}):
            if mask.stem in by_stem:
                masks[by_stem[mask.stem]] = mask
            else:
                notes.add("masks without an image are left out", mask.name)
        objects |= _objects(base, by_stem, notes)
    columns: dict[str, Column] = {}
    if masks:
        declared, remark = declare_masks(list(masks.values()), folder / roots[0])
        cells = {image: mask.relative_to(folder).as_posix() for image, mask in masks.items()}
        summary = f"{len(cells)} masks in {MASKS}/{remark}"
        columns["segmentation"] = Column({"kind": "segmentation", **declared}, cells, summary)
    if objects:
        columns["contents"] = _contents(objects)
    source = ", ".join(root or "." for root in roots)
    if not columns:
        raise InputError(f"{folder / roots[0]} has neither masks in {MASKS}/ nor objects in {OBJECTS}/ for its images")
    has_splits = "train" in images.values()
    return Contents(
        [path for path, split in images.items() if split or not has_splits],
        columns,
        [],
        {path: split for path, split in images.items() if split and has_splits},
        [path for path, split in images.items() if not split and has_splits],
        notes=[f"read: Pascal VOC in {source}", *notes.lines()],
    )


def _files(folder: Path, endings: frozenset[str] | set[str]) -> Iterator[Path]:
    """The files with some endings in a folder, sorted; none if the folder does not exist."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() in endings and not path.name.startswith(".") and path.is_file():
            yield path


def _splits(base: Path, stems: set[str], notes: Tally) -> dict[str, str]:
    """The split of each name, by the lists for segmentation and then by those for objects."""
    splits: dict[str, str] = {}
    for kind in ("Segmentation", "Main"):
        by_list: dict[str, str] = {}
        for name in ("train", "val", "test"):
            for line in _lines(base / LISTS / kind / f"{name}.txt"):
                stem, split = line.split()[0], split_of(name) or name
                if stem not in stems:
                    notes.add(ENTRY, stem)
                elif by_list.setdefault(stem, split) != split:
                    notes.add("images are in two lists of splits: the first of train, val and test counts", stem)
        for stem, split in by_list.items():
            if splits.setdefault(stem, split) != split:
                notes.add(
                    "images are in different splits for segmentation and objects: that of segmentation counts", stem
                )
    return splits


def _lines(file: Path) -> list[str]:
    if not file.exists():
        return []
    try:
        return [line for line in read_text(file, 2**28).splitlines() if line.strip() and line[0] != "#"]
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file} cannot be read as UTF-8 text, expected one name per line") from None


def _objects(base: Path, by_stem: Mapping[str, str], notes: Tally) -> dict[str, list[str]]:
    """The names of the objects in each image."""
    objects: dict[str, list[str]] = {}
    for file in _files(base / OBJECTS, {".xml"}):
        if file.stem not in by_stem:
            notes.add("files of objects without an image are left out", file.name)
            continue
        names: dict[str, None] = {}
        for thing in xml_elements(file, "annotation", ("object",)):
            name = (thing.findtext("name") or "").strip()
            if not name or ";" in name or name == "-":
                raise InputError(f"{file} has an object with the name {name!r}, expected a word without ';'")
            names[name] = None
        objects[by_stem[file.stem]] = list(names)
    return objects


def _contents(objects: dict[str, list[str]]) -> Column:
    present = {name for names in objects.values() for name in names}
    labels = list(NAMES[1:]) if present <= set(NAMES) else sorted(present)
    if not labels:
        raise InputError("the files of objects name none")
    cells = {image: ";".join(names) or "-" for image, names in objects.items()}
    summary = f"{len(cells)} images with the names of their objects, {len(labels)} in all; the boxes are left out"
    return Column({"kind": "multi_label", "labels": labels}, cells, summary)
