"""The labels in a folder of images: target files with the images' names, or a folder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from afanet.data.sets.manifest.contents import Column, Contents
from afanet.data.sets.manifest.tree import Tree, class_folders, read_tree, unread_labels
from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, require_folder
from afanet.photo import SUFFIXES
from afanet.tasks.column import FileColumn
from afanet.tasks.kinds import KINDS

IMAGES = ("images", "image", "rgb", "photos")
IMAGE_TYPES = tuple(SUFFIXES)


def read_folder(folder: Path) -> Contents:
    """The contents of `folder`; raises `InputError` if it holds nothing to learn from or cannot be read."""
    require_folder(folder, IMAGE_FOLDER)
    if tree := read_tree(folder, _files(folder, _all_types(), deep=True), file_columns()):
        return _read_splits(folder, tree)
    base = _sub_folder(folder, IMAGES) or folder
    images = sorted(_files(base, IMAGE_TYPES))
    columns: dict[str, Column] = {}
    if not images:
        images, columns["label"] = _read_class_folders(folder, base)
    unpaired: list[str] = []
    for task, column in file_columns().items():
        map_folder = _sub_folder(folder, column.folders)
        if map_folder is None:
            continue
        by_stem = _by_stem(images, base)
        maps = _by_stem(sorted(_files(map_folder, column.endings, deep=True)), map_folder)
        if not maps and (others := sorted(_files(map_folder, IMAGE_TYPES, deep=True))):
            raise unread_labels(others[0], task, column)
        unpaired += [_relative(file, folder) for stem, file in maps.items() if stem not in by_stem]
        pairs = {image: maps[stem] for stem, image in by_stem.items() if stem in maps}
        if pairs:
            declared, summary = column.guess(list(pairs.values()))
            cells = {_relative(image, folder): _relative(file, folder) for image, file in pairs.items()}
            columns[task] = Column(
                {"kind": task, **declared}, cells, f"{len(cells)} files in {map_folder.name}/{summary}"
            )
    if not columns:
        raise InputError(f"{folder} has {len(images)} images and nothing to learn from them, expected {_layouts()}")
    return Contents([_relative(image, folder) for image in images], columns, unpaired)


def _read_splits(folder: Path, tree: Tree) -> Contents:
    """The contents of a folder whose images are in folders of splits."""
    classes = class_folders(tree)
    columns: dict[str, Column] = {}
    if classes:
        counts = Counter(classes.values())
        cells = {_relative(image, folder): name for image, name in classes.items()}
        remark = "folders " + ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
        columns["label"] = Column({"kind": "classification", "classes": sorted(counts)}, cells, remark)
    for task, pairs in tree.labels.items():
        declared, summary = file_columns()[task].guess(list(pairs.values()))
        cells = {_relative(image, folder): _relative(file, folder) for image, file in pairs.items()}
        columns[task] = Column({"kind": task, **declared}, cells, f"{len(cells)} files of labels{summary}")
    if not columns:
        outside = (
            f" ({len(tree.outside)} in none, such as {_relative(tree.outside[0], folder)})" if tree.outside else ""
        )
        raise InputError(
            f"{folder} has {len(tree.images)} images in folders of splits{outside} and nothing to learn from "
            f"them, expected {_layouts()}, in folders of the same names in each split"
        )
    return Contents(
        [_relative(image.path, folder) for image in tree.images],
        columns,
        [_relative(path, folder) for path in tree.unpaired],
        {_relative(image.path, folder): image.split for image in tree.images if image.split},
        [_relative(path, folder) for path in tree.outside],
    )


def _read_class_folders(folder: Path, base: Path) -> tuple[list[Path], Column]:
    maps = {name for column in file_columns().values() for name in column.folders}
    class_folders = sorted(
        path for path in base.iterdir() if path.is_dir() and (base != folder or path.name not in maps)
    )
    by_class = {path.name: files for path in class_folders if (files := sorted(_files(path, IMAGE_TYPES)))}
    if len(by_class) < 2:
        raise InputError(
            f"{base} holds no images (.jpg, .png), neither itself nor in folders of classes, expected some"
        )
    images = [image for files in by_class.values() for image in files]
    cells = {_relative(image, folder): image.parent.name for image in images}
    counts = ", ".join(f"{name} {len(files)}" for name, files in by_class.items())
    return images, Column({"kind": "classification", "classes": list(by_class)}, cells, f"folders {counts}")


def file_columns() -> dict[str, type[FileColumn]]:
    """The kinds of task whose labels are files in a separate folder, by name."""
    columns = {name: kind.column_class for name, kind in KINDS.items()}
    return {name: column for name, column in columns.items() if issubclass(column, FileColumn) and column.folders}


def _layouts() -> str:
    folders = [
        f"{first}/" + (f" (or {', '.join(f'{name}/' for name in others)})" if others else "")
        for first, *others in (column.folders for column in file_columns().values())
    ]
    listed = f"{', '.join(folders[:-1])} or {folders[-1]}"
    return f"target files of the images' names in {listed}, or images in one folder for each class"


def _all_types() -> tuple[str, ...]:
    return tuple({*IMAGE_TYPES, *(ending for column in file_columns().values() for ending in column.endings)})


def _sub_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The first folder of one of these names, in small letters or capitals."""
    present = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}
    return next((present[name] for name in names if name in present), None)


def _by_stem(files: list[Path], base: Path) -> dict[str, Path]:
    """The files by their paths below `base` without the endings, which must all differ."""
    by_stem: dict[str, Path] = {}
    for file in files:
        first = by_stem.setdefault(str(file.relative_to(base).with_suffix("")), file)
        if first != file:
            raise InputError(
                f"{first} and {file} differ only in their endings, so that images cannot be matched to their targets: "
                "rename or remove one of them"
            )
    return by_stem


def _files(folder: Path, types: tuple[str, ...], deep: bool = False) -> Iterator[Path]:
    for path in folder.rglob("*") if deep else folder.iterdir():
        if path.suffix.lower() in types and path.is_file() and not path.name.startswith("."):
            yield path


def _relative(path: Path, folder: Path) -> str:
    name = path.relative_to(folder).as_posix()
    if "\n" in name or "\r" in name or not name.isprintable():  # such as bytes that are no UTF-8
        raise InputError(f"{str(path)!r} has a name that cannot be written in a table: rename it")
    return name
