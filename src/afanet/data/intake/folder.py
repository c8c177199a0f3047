"""The labels in a folder of images: target files with the images' names, or a folder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from afanet.data.intake.contents import Column, Contents
from afanet.data.intake.guesses.values import plain
from afanet.data.intake.tree import (
    IMAGE,
    Tree,
    class_folders,
    meaning_of,
    read_tree,
    role_names,
    unread_labels,
)
from afanet.data.intake.twins import pair_beside
from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, require_folder
from afanet.photo import SUFFIXES
from afanet.tasks.column import FileColumn
from afanet.tasks.kinds import KINDS

IMAGES = ("images", "image", "rgb", "photos")
IMAGE_TYPES = tuple(SUFFIXES)


def read_folder(folder: Path) -> Contents:
    """The contents of `folder`; raises `InputError` if it holds no images or cannot be read.

    If there are no images in the folder itself or in class folders, all images below it count, except label files.
    """
    require_folder(folder, IMAGE_FOLDER)
    files = files_below(folder)
    beside = pair_beside(files, file_columns())
    labels = {label for pairs in beside.values() for label in pairs.values()}
    files = [file for file in files if file not in labels]
    if tree := read_tree(folder, files, file_columns()):
        return _read_splits(folder, tree, beside)
    base = _sub_folder(folder, IMAGES, IMAGE) or folder
    images = sorted(file for file in _files(base, IMAGE_TYPES) if file not in labels)
    columns: dict[str, Column] = {}
    if not images:
        images, columns = _read_class_folders(folder, base, labels)
    if not images and not (images := images_below(folder, files)):
        raise InputError(
            f"{base} holds no images (.jpg, .png), neither itself nor in folders of classes, expected some"
        )
    unpaired: list[str] = []
    for task, column in file_columns().items():
        map_folder = _sub_folder(folder, column.folders, task)
        if map_folder is None:
            continue
        by_stem = _by_stem(images, base)
        maps = _by_stem(sorted(_files(map_folder, column.endings, deep=True)), map_folder)
        if not maps and (others := sorted(_files(map_folder, IMAGE_TYPES, deep=True))):
            raise unread_labels(others[0], task, column)
        unpaired += [relative(file, folder) for stem, file in maps.items() if stem not in by_stem]
        pairs = {image: maps[stem] for stem, image in by_stem.items() if stem in maps}
        if pairs:
            declared, summary = column.guess(list(pairs.values()))
            cells = {relative(image, folder): relative(file, folder) for image, file in pairs.items()}
            columns[task] = Column(
                {"kind": task, **declared}, cells, f"{len(cells)} files in {map_folder.name}/{summary}"
            )
    columns |= _columns_beside(beside, images, folder)
    return Contents([relative(image, folder) for image in images], columns, unpaired)


def files_below(folder: Path) -> list[Path]:
    """All images and label files below a folder."""
    return list(_files(folder, _all_types(), deep=True))


def images_below(folder: Path, files: Iterable[Path]) -> list[Path]:
    """The images among `files`, which are below `folder`: those that are not in a folder of labels."""
    roles = role_names(file_columns())
    in_labels: dict[Path, bool] = {}
    for parent in {file.parent for file in files}:
        meanings = [meaning_of(name, roles)[1] for name in parent.relative_to(folder).parts]
        in_labels[parent] = any(role not in (None, IMAGE) for role in meanings)
    return sorted(file for file in files if file.suffix.lower() in IMAGE_TYPES and not in_labels[file.parent])


def _columns_beside(beside: dict[str, dict[Path, Path]], images: Sequence[Path], folder: Path) -> dict[str, Column]:
    """The tasks whose label files are beside the images."""
    columns = {}
    for kind, pairs in beside.items():
        if kept := {image: pairs[image] for image in images if image in pairs}:
            declared, remark = file_columns()[kind].guess(list(kept.values()))
            cells = {relative(image, folder): relative(file, folder) for image, file in kept.items()}
            columns[kind] = Column({"kind": kind, **declared}, cells, f"{len(cells)} files beside the images{remark}")
    return columns


def _read_splits(folder: Path, tree: Tree, beside: dict[str, dict[Path, Path]]) -> Contents:
    """The contents of a folder whose images are in folders of splits."""
    classes = class_folders(tree)
    columns: dict[str, Column] = {}
    if classes:
        counts = Counter(classes.values())
        cells = {relative(image, folder): name for image, name in classes.items()}
        remark = "folders " + ", ".join(f"{plain(name)} {counts[name]}" for name in sorted(counts))
        columns["label"] = Column({"kind": "classification", "classes": sorted(counts)}, cells, remark)
    for task, pairs in tree.labels.items():
        declared, summary = file_columns()[task].guess(list(pairs.values()))
        cells = {relative(image, folder): relative(file, folder) for image, file in pairs.items()}
        columns[task] = Column({"kind": task, **declared}, cells, f"{len(cells)} files of labels{summary}")
    columns |= _columns_beside(beside, [image.path for image in tree.images], folder)
    return Contents(
        [relative(image.path, folder) for image in tree.images],
        columns,
        [relative(path, folder) for path in tree.unpaired],
        {relative(image.path, folder): image.split for image in tree.images if image.split},
        [relative(path, folder) for path in tree.outside],
    )


def _read_class_folders(folder: Path, base: Path, labels: Collection[Path]) -> tuple[list[Path], dict[str, Column]]:
    """The images in class folders, and their classes; nothing if there are fewer than two such folders."""
    maps = {name for column in file_columns().values() for name in column.folders}
    class_folders = sorted(
        path for path in base.iterdir() if path.is_dir() and (base != folder or path.name not in maps)
    )
    by_class = {path.name: sorted(set(_files(path, IMAGE_TYPES)).difference(labels)) for path in class_folders}
    by_class = {name: files for name, files in by_class.items() if files}
    if len(by_class) < 2:
        return [], {}
    images = [image for files in by_class.values() for image in files]
    cells = {relative(image, folder): image.parent.name for image in images}
    counts = ", ".join(f"{plain(name)} {len(files)}" for name, files in by_class.items())
    column = Column({"kind": "classification", "classes": list(by_class)}, cells, f"folders {counts}")
    return images, {"label": column}


def file_columns() -> dict[str, type[FileColumn]]:
    """By name, the kinds of task whose labels are files in a separate folder."""
    columns = {name: kind.column_class for name, kind in KINDS.items()}
    return {name: column for name, column in columns.items() if issubclass(column, FileColumn) and column.folders}


def layouts() -> str:
    """The layouts that init can learn from, in words."""
    folders = [
        f"{first}/" + (f" (or {', '.join(f'{name}/' for name in others)})" if others else "")
        for first, *others in (column.folders for column in file_columns().values())
    ]
    listed = f"{', '.join(folders[:-1])} or {folders[-1]}"
    return (
        f"target files of the images' names in {listed}, images in one folder for each class, or a table (.csv, "
        ".parquet) with a row for each image"
    )


def _all_types() -> tuple[str, ...]:
    return tuple({*IMAGE_TYPES, *(ending for column in file_columns().values() for ending in column.endings)})


def _sub_folder(folder: Path, names: Sequence[str], role: str) -> Path | None:
    """The first folder with one of these names, in lower or upper case, or else with another name for this role."""
    present = {path.name.lower(): path for path in sorted(folder.iterdir(), reverse=True) if path.is_dir()}
    roles = role_names(file_columns())
    others = (path for name, path in sorted(present.items()) if meaning_of(name, roles) == (None, role))
    return next((present[name] for name in names if name in present), next(others, None))


def _by_stem(files: list[Path], base: Path) -> dict[str, Path]:
    """The files by their paths below `base`, without endings; these must all differ."""
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


def relative(path: Path, folder: Path) -> str:
    """A path below a folder, as tables have it; raises `InputError` for a name that cannot be written in a table."""
    name = path.relative_to(folder).as_posix()
    if "\n" in name or "\r" in name or not name.isprintable():  # such as bytes that are not UTF-8
        raise InputError(f"{str(path)!r} has a name that cannot be written in a table: rename it")
    return name
