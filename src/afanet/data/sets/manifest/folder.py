"""What a folder of images has to learn from: target files of the images' names, or a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afanet.data.files import read_image
from afanet.data.sets.manifest.maps import VOID
from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, require_folder

IMAGES = ("images", "image", "rgb", "photos")
IMAGE_TYPES = (".jpg", ".jpeg", ".png")
# For each kind of map the names its folder may have, and the types of its files.
MAPS = {
    "segmentation": (("segmentation", "labels", "masks"), (".png",)),
    "depth": (("depth",), (".png", ".npy")),
    "normals": (("normals",), (".png", ".npy")),
}
LAYOUTS = (
    "target files of the images' names in segmentation/ (or labels/, masks/), depth/ or normals/, or images in one "
    "folder for each class"
)


@dataclass(frozen=True)
class Column:
    """A task that was found: how a recipe declares it, its cells by image, and a line about it for a person."""

    declared: dict[str, Any]
    cells: dict[str, str]
    found: str


@dataclass(frozen=True)
class Found:
    """The paths of the images, relative to the folder, and the tasks by name."""

    images: list[str]
    columns: dict[str, Column]
    unpaired: list[str]


def look(folder: Path) -> Found:
    """What lies in `folder`; raises `InputError` where that is nothing to learn from, or cannot be read."""
    require_folder(folder, IMAGE_FOLDER)
    base = next((folder / name for name in IMAGES if (folder / name).is_dir()), folder)
    images = sorted(_files(base, IMAGE_TYPES))
    columns: dict[str, Column] = {}
    if not images:
        images, columns["label"] = _look_at_classes(folder, base)
    unpaired: list[str] = []
    for task, (names, types) in MAPS.items():
        if (place := next((folder / name for name in names if (folder / name).is_dir()), None)) is None:
            continue
        by_stem = _by_stem(images, base)
        maps = _by_stem(sorted(_files(place, types, deep=True)), place)
        unpaired += [_relative(file, folder) for stem, file in maps.items() if stem not in by_stem]
        pairs = {image: maps[stem] for stem, image in by_stem.items() if stem in maps}
        if pairs:
            declared, found = _declare(task, list(pairs.values()))
            cells = {_relative(image, folder): _relative(file, folder) for image, file in pairs.items()}
            columns[task] = Column(declared, cells, f"{len(cells)} files in {place.name}/{found}")
    if not columns:
        raise InputError(f"{folder} has {len(images)} images and nothing to learn from them, expected {LAYOUTS}")
    return Found([_relative(image, folder) for image in images], columns, unpaired)


def _look_at_classes(folder: Path, base: Path) -> tuple[list[Path], Column]:
    maps = {name for names, _ in MAPS.values() for name in names}
    places = sorted(path for path in base.iterdir() if path.is_dir() and (base != folder or path.name not in maps))
    by_class = {place.name: files for place in places if (files := sorted(_files(place, IMAGE_TYPES)))}
    if len(by_class) < 2:
        raise InputError(
            f"{base} holds no images (.jpg, .png), neither itself nor in folders of classes, expected some"
        )
    images = [image for files in by_class.values() for image in files]
    cells = {_relative(image, folder): image.parent.name for image in images}
    counts = ", ".join(f"{name} {len(files)}" for name, files in by_class.items())
    return images, Column({"kind": "classification", "classes": list(by_class)}, cells, f"folders {counts}")


def _declare(task: str, files: list[Path]) -> tuple[dict[str, Any], str]:
    """How a recipe declares a task with maps in `files`, and what was seen in them."""
    if task == "normals":
        return {"kind": "normals"}, ""
    if task == "depth":
        if files[0].suffix.lower() == ".png":
            read_image(files[0], ("I;16",), "depth map of 16 bits a pixel")
            return {"kind": "depth", "scale": 0.001, "max": 10}, ", taken to be in millimetres"
        return {"kind": "depth", "max": 10}, ", taken to be in metres"
    seen = np.zeros(256, bool)
    for file in files:
        seen[read_image(file, ("L", "P"), "map of class ids")] = True
    ids = [int(number) for number in np.flatnonzero(seen) if number != VOID]
    if len(ids) < 2:
        raise InputError(
            f"{files[0].parent} has only the id {ids[0] if ids else 'none'} beside {VOID}, which means void, expected "
            "two classes at least: number them 0, 1, ..."
        )
    listed = ", ".join(map(str, ids)) if len(ids) <= 20 else f"{ids[0]} to {ids[-1]}"
    classes = [f"class_{number}" for number in range(ids[-1] + 1)]
    return {"kind": "segmentation", "classes": classes, "void": VOID}, f" with ids {listed}"


def _by_stem(files: list[Path], base: Path) -> dict[str, Path]:
    """The files by their paths below `base` without the endings, of which no two may be one."""
    found: dict[str, Path] = {}
    for file in files:
        first = found.setdefault(str(file.relative_to(base).with_suffix("")), file)
        if first != file:
            raise InputError(
                f"{first} and {file} have one name but for their endings, by which an image and its target are told to "
                "belong together: rename or remove one of them"
            )
    return found


def _files(folder: Path, types: tuple[str, ...], deep: bool = False) -> Iterator[Path]:
    for path in folder.rglob("*") if deep else folder.iterdir():
        if path.suffix.lower() in types and path.is_file() and not path.name.startswith("."):
            yield path


def _relative(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    if "\n" in name or "\r" in name or not name.isprintable():  # such as bytes that are no UTF-8
        raise InputError(f"{str(path)!r} has a name that cannot stand in a table: rename it")
    return name
