"""What a folder of images has to learn from: target files of the images' names, or a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, require_folder
from afanet.photo import SUFFIXES
from afanet.tasks.column import FileColumn
from afanet.tasks.kinds import KINDS

IMAGES = ("images", "image", "rgb", "photos")
IMAGE_TYPES = tuple(SUFFIXES)


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
    for task, column in file_columns().items():
        if (place := next((folder / name for name in column.folders if (folder / name).is_dir()), None)) is None:
            continue
        by_stem = _by_stem(images, base)
        maps = _by_stem(sorted(_files(place, column.endings, deep=True)), place)
        unpaired += [_relative(file, folder) for stem, file in maps.items() if stem not in by_stem]
        pairs = {image: maps[stem] for stem, image in by_stem.items() if stem in maps}
        if pairs:
            declared, found = column.guess(list(pairs.values()))
            cells = {_relative(image, folder): _relative(file, folder) for image, file in pairs.items()}
            columns[task] = Column({"kind": task, **declared}, cells, f"{len(cells)} files in {place.name}/{found}")
    if not columns:
        raise InputError(f"{folder} has {len(images)} images and nothing to learn from them, expected {_layouts()}")
    return Found([_relative(image, folder) for image in images], columns, unpaired)


def _look_at_classes(folder: Path, base: Path) -> tuple[list[Path], Column]:
    maps = {name for column in file_columns().values() for name in column.folders}
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


def file_columns() -> dict[str, type[FileColumn]]:
    """The kinds of task whose labels are files in a folder of their own, by name."""
    columns = {name: kind.column_class for name, kind in KINDS.items()}
    return {name: column for name, column in columns.items() if issubclass(column, FileColumn) and column.folders}


def _layouts() -> str:
    folders = [
        f"{first}/" + (f" (or {', '.join(f'{name}/' for name in others)})" if others else "")
        for first, *others in (column.folders for column in file_columns().values())
    ]
    listed = f"{', '.join(folders[:-1])} or {folders[-1]}"
    return f"target files of the images' names in {listed}, or images in one folder for each class"


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
