"""YOLO: polygons in text files beside the images become masks; if there are only boxes, labels of images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats.collected import Collected
from afanet.data.intake.formats.images import Images, files_below
from afanet.data.intake.formats.shapes import ShapeError, read_ring
from afanet.data.intake.formats.summary import summarise
from afanet.errors import InputError, shown
from afanet.files import read_text
from afanet.photo import SUFFIXES, photo_size
from afanet.yaml_file import read_yaml

SPLITS = {"train": "train", "val": "validation", "test": "test"}
BOX = 4  # numbers after the class
MOST_BYTES = 2**28  # of a list of images


def read_yolo(file: Path, folder: Path, images: Images) -> Contents:
    """The contents of a data set that a file such as `data.yaml` describes, with its images below `folder`.

    Raises `InputError` for files that cannot be used.
    """
    described = read_yaml(file, str(file))
    names = _names(described.get("names"), file)
    if "kpt_shape" in described:
        raise InputError(f"{file} is of key points, which are not supported, expected polygons or boxes")
    collected = Collected()
    for name in names:
        collected.label(name)
    splits: dict[str, str] = {}
    for key, split in SPLITS.items():
        for image in _images(described, key, file, folder, images, collected):
            if splits.setdefault(image, split) != split:
                collected.notes.add("images are in several splits: the first of train, val and test counts", image)
            else:
                _read_image(image, split, folder, len(names), collected)
    collected.end_file(file)
    return summarise(collected, folder, file.relative_to(folder).as_posix(), names)


def _names(given: Any, file: Path) -> list[str]:
    names = list(given.values()) if isinstance(given, dict) else given
    keys = list(given) if isinstance(given, dict) else None
    if keys is not None and sorted(map(str, keys)) == sorted(map(str, range(len(keys)))):
        names = [given[key] for key in sorted(keys, key=int)]
    elif keys is not None:
        raise InputError(f"{file} has 'names' with the keys {shown(keys)}, expected 0, 1, 2, ...")
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        raise InputError(
            f"{file} has {shown(given)} as 'names', expected a list of names or a mapping of numbers to them"
        )
    names = [str(name).strip() for name in names]
    if twice := {name for name in names if names.count(name) > 1 or not name}:
        raise InputError(f"{file} has the name {min(twice)!r} twice in 'names', or an empty one: give each its own")
    return names


def _images(
    described: Mapping[str, Any], key: str, file: Path, folder: Path, images: Images, collected: Collected
) -> Iterator[str]:
    """The images of a split, relative to `folder`, from one or several folders or a list in a text file."""
    given, root = described.get(key), str(described.get("path") or "")
    waiting = [*reversed(given)] if isinstance(given, list) else [given] if given else []
    lists = 0
    while waiting:
        entry = waiting.pop()
        if not isinstance(entry, str):
            raise InputError(f"{file} has {shown(entry)} as '{key}', expected a path")
        located = _locate(entry, root, file, folder)
        if located is None and (image := images.locate(entry, "", SPLITS[key])[0]):  # as if it were elsewhere
            yield image
        elif located is None:
            collected.notes.add("paths of splits where nothing is are left out", f"{key}: {entry}")
        elif located.is_dir():
            for name in files_below(located):
                if PurePosixPath(name).suffix.lower() in SUFFIXES:
                    yield (located / name).relative_to(folder).as_posix()
        elif located.suffix.lower() in SUFFIXES:
            yield located.relative_to(folder).as_posix()
        elif located.suffix == ".txt" and not lists:
            waiting += [line.strip() for line in reversed(_lines(located)) if line.strip()]
            lists += 1
        else:
            raise InputError(
                f"{file} names {entry[:200]!r}, expected a folder of images, or one list of them in a .txt"
            )


def _lines(file: Path) -> list[str]:
    try:
        return read_text(file, MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file} cannot be read as UTF-8 text, expected one path per line") from None


def _locate(entry: str, root: str, file: Path, folder: Path) -> Path | None:
    """The place below `folder` of a path in the description, seen from `file` or `path`, without `../` in front.

    Of an absolute path, which comes from another machine, the longest end that exists counts. Raises `InputError` for
    a path that leads out of the folder.
    """
    plain = re.sub(r"^[A-Za-z]:", "", entry.replace("\\", "/"))
    parts = [part for part in re.sub(r"^(\.\.?/)+", "", plain).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InputError(f"{file} names {entry[:200]!r}, which leads out of its folder: give a path inside the folder")
    bases = [file.parent, folder]
    if root_name := PurePosixPath(root.replace("\\", "/")).name:
        bases += [folder / root_name] if root_name != ".." else []
    ends = [parts[start:] for start in range(len(parts))] if plain.startswith("/") else [parts]
    located = (base.joinpath(*end) for end in ends if end for base in bases)
    return next((path for path in located if path.exists() and path.is_relative_to(folder)), None)


def _read_image(image: str, split: str, folder: Path, classes: int, collected: Collected) -> None:
    try:
        size = photo_size(folder / image)
    except InputError:
        collected.notes.add("images that cannot be read are left out", image)
        return
    if not image.isprintable():
        collected.faults.add("names of images that cannot be written in a table", image)
        return
    number = collected.add_image(image, size, split, 0)
    before, folders, after = f"/{image}".rpartition("/images/")
    labels = folder / f"{before}/labels/{after}".lstrip("/") if folders else folder / image
    labels = labels.with_suffix(".txt")
    if number is None:
        return
    if not labels.is_file():
        collected.notes.add("images without a file of labels get none", image)
        return
    try:
        lines = read_text(labels).splitlines()
    except (OSError, UnicodeDecodeError):
        collected.faults.add("files of labels that are not UTF-8 text", labels.name)
        return
    collected.set_labelled(number)
    for count, line in enumerate(lines, 1):
        if line.strip():
            try:
                _read_line(line.split(), number, size, classes, collected)
            except ShapeError as error:
                collected.shape_fault(error, f"{labels.relative_to(folder).as_posix()}, line {count}")


def _read_line(parts: Sequence[str], image: int, size: tuple[int, int], classes: int, collected: Collected) -> None:
    label = parts[0]
    if not re.fullmatch(r"\d{1,9}(\.0*)?", label) or int(float(label)) >= classes:
        raise ShapeError("lines with a class that 'names' lacks")
    numbers = read_ring(parts[1:])
    if numbers.size == BOX:
        collected.add_box(image, int(float(label)))
        return
    if numbers.size < BOX:
        raise ShapeError("lines with fewer numbers than a box has")
    if (np.abs(numbers) > 10).any():
        raise ShapeError("polygons in pixels, expected shares of the image's width and height")
    collected.add_rings(image, size, int(float(label)), [numbers * [size[1], size[0]]])
