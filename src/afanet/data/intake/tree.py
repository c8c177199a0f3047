"""The labels of images that are in folders for each split, in any of the usual trees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from afanet.errors import InputError
from afanet.photo import SUFFIXES
from afanet.tasks.column import FileColumn

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IMAGE = "image"
ROLES = {  # of folders, in addition to the names that the kinds of task know
    **dict.fromkeys(("image", "img", "rgb", "photo", "picture", "leftimg8bit", "jpegimages"), IMAGE),
    **dict.fromkeys(("annotation", "gt", "gtfine", "seg"), "segmentation"),
}
CLASSES = ("normal",)  # a class, as of X-rays, and not a folder of surface normals
FILLERS = ("set", "data", "split", "folder")
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
IMAGE_END = re.compile(r"[_-](leftImg8bit|image|img|rgb|photo)$", re.IGNORECASE)
LABEL_END = re.compile(
    r"[_-](mask|labels?|seg|segmentation|depth|normals?|(gtFine_)?label(Train)?Ids)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Located:
    """A file, with the split and the role that its folders name, and the other folders above it."""

    path: Path
    split: str | None
    role: str | None
    above: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """Images in split folders, and images outside; by kind of task, the label files of images, and unmatched ones."""

    images: list[Located]
    outside: list[Path]
    labels: dict[str, dict[Path, Path]]
    unpaired: list[Path]


def role_names(columns: Mapping[str, type[FileColumn]]) -> dict[str, str]:
    """By a folder's name, also in lower case and singular, what it holds: images, or labels of a kind of task.

    >>> from afanet.tasks.segmentation.column import SegmentationColumn
    >>> role_names({"segmentation": SegmentationColumn})["mask"]
    'segmentation'
    """
    named = {name.lower(): kind for kind, column in columns.items() for name in column.folders}
    singular = {name.removesuffix("s"): kind for name, kind in named.items()}
    return ROLES | {name: kind for name, kind in (named | singular).items() if name not in CLASSES}


def meaning_of(name: str, roles: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The split and the role in the name of a folder, in any order and spelling.

    >>> roles = {"image": "image", "mask": "segmentation"}
    >>> meaning_of("Training", roles), meaning_of("val2017", roles), meaning_of("masks_test", roles)
    (('train', None), ('validation', None), ('test', 'segmentation'))
    >>> meaning_of("train station", roles)
    (None, None)
    """
    if role := _role(name.lower(), roles):
        return None, role
    words = [word.lower() for word in WORDS.findall(name)]
    splits = [SPLITS[word] for word in words if word in SPLITS]
    known = [role for word in words if (role := _role(word, roles))]
    fillers = sum(word.removesuffix("s") in FILLERS for word in words)
    if len(splits) > 1 or len(splits) + len(known) + fillers < len(words) or not splits + known:
        return None, None
    return next(iter(splits), None), next(iter(known), None)


def _role(word: str, roles: Mapping[str, str]) -> str | None:
    return roles.get(word) or roles.get(word.removesuffix("s"))


def read_tree(folder: Path, files: Iterable[Path], columns: Mapping[str, type[FileColumn]]) -> Tree | None:
    """The images and label files among `files` below `folder`, if some are in a folder of a split; else None.

    A label file belongs to the image with the same name, apart from an ending such as `_mask`, and the same folders,
    apart from those of splits and roles. Raises `InputError` if this is ambiguous, or a file is in two splits' folders.
    """
    roles = role_names(columns)
    located = [_locate(path, folder, roles) for path in sorted(files)]
    if not any(file.split for file in located):
        return None
    pictures = [file for file in located if file.path.suffix.lower() in SUFFIXES]
    named = [file for file in pictures if file.role == IMAGE]
    splits = {file.split for file in named} | ({None} if named else set())
    images = named + [file for file in pictures if file.role is None and file.split not in splits]
    labels: dict[str, dict[Path, Path]] = {}
    unpaired: list[Path] = []
    split_by_label: dict[Path, str] = {}
    for kind, column in columns.items():
        maps = [file for file in located if file.role == kind]
        usable = [file for file in maps if file.path.suffix.lower() in column.endings]
        if maps and not usable:
            raise unread_labels(maps[0].path, kind, column)
        pairs, alone = _pair(images, usable)
        unpaired += alone
        if pairs:
            labels[kind] = {image.path: label.path for image, label in pairs}
            split_by_label |= {image.path: label.split for image, label in pairs if label.split}
    images = [replace(image, split=image.split or split_by_label.get(image.path)) for image in images]
    outside = [image.path for image in images if not image.split]
    return Tree([image for image in images if image.split], outside, labels, unpaired)


def unread_labels(file: Path, kind: str, column: type[FileColumn]) -> InputError:
    """An `InputError` for a file among the labels of a kind whose format is not supported."""
    endings = " or ".join(column.endings)
    return InputError(
        f"{file} is not a label file for {kind}, expected {endings}: save the original labels so, not as JPEG, which "
        "changes them"
    )


def class_folders(tree: Tree) -> dict[Path, str]:
    """The class of each image by its folder, if there are several in the training split, and the other splits agree.

    If the images also have label files, their folders are classes only if that fits all of them: otherwise they may be
    cities or days. Images of a split whose only folder is not a class, such as `test/unknown/`, have no class. Raises
    `InputError` if a split has classes of the training split and also one that the training split lacks.
    """
    images = tree.images
    levels = zip(*(image.above for image in images), strict=False)
    common = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    names = {image.path: image.above[common] for image in images if len(image.above) > common}
    by_split: dict[str, set[str]] = {split: set() for split in ("train", "validation", "test")}
    for image in images:
        if image.path in names and image.split:
            by_split[image.split].add(names[image.path])
    classes = by_split.pop("train")
    classed = {path: name for path, name in names.items() if name in classes}
    if len(classes) < 2 or (tree.labels and len(classed) < len(images)):
        return {}
    for split, others in by_split.items():
        strange = sorted(others - classes)
        if strange and (others & classes or len(strange) > 1):
            raise InputError(
                f"the {split} split has the folder '{strange[0]}', which the training split lacks, expected the same "
                f"classes in both: {', '.join(sorted(classes))}"
            )
    return classed


def _locate(path: Path, folder: Path, roles: Mapping[str, str]) -> Located:
    split, role, above = None, None, []
    for name in path.relative_to(folder).parts[:-1]:
        named_split, named_role = meaning_of(name, roles)
        if named_split and split and named_split != split:
            raise InputError(f"{path} is in folders of two splits, {split} and {named_split}: move it into one")
        split = named_split or split
        role = named_role if named_role and role in (None, IMAGE) else role
        if not (named_split or named_role):
            above.append(name)
    return Located(path, split, role, tuple(above))


def _pair(images: Sequence[Located], labels: Sequence[Located]) -> tuple[list[tuple[Located, Located]], list[Path]]:
    """Each image with its label file, and the label files that have no image."""
    exact, trimmed = _by_name(images, None), _by_name(images, IMAGE_END)
    by_image: dict[Path, tuple[Located, Located]] = {}
    alone = []
    for label in labels:
        stem = label.path.stem
        near = trimmed.get((label.above, LABEL_END.sub("", stem)), [])
        same = [
            [image for image in candidates if label.split in (None, image.split) or image.split is None]
            for candidates in (exact.get((label.above, stem), []), near)
        ]
        fitting = same[0] or same[1]
        if not fitting:
            alone.append(label.path)
            continue
        first, *others = fitting
        if others:
            raise InputError(f"{label.path} can belong to {first.path} and to {others[0].path}: rename one of them")
        other = by_image.setdefault(first.path, (first, label))[1]
        if other is not label:
            raise InputError(
                f"{other.path} and {label.path} can both belong to {first.path}: rename or remove one of them"
            )
    return list(by_image.values()), alone


def _by_name(
    images: Sequence[Located], end: re.Pattern[str] | None
) -> dict[tuple[tuple[str, ...], str], list[Located]]:
    by_name: dict[tuple[tuple[str, ...], str], list[Located]] = {}
    for image in images:
        stem = end.sub("", image.path.stem) if end else image.path.stem
        by_name.setdefault((image.above, stem), []).append(image)
    return by_name
