"""Finds label files in the folder of their images: `001_mask.png` or `001.png` beside `001.jpg`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from afanet.data.intake.tables.label_files import KINDS, kind_of_file
from afanet.data.intake.tree import IMAGE_END, LABEL_END, meaning_of, role_names
from afanet.photo import SUFFIXES
from afanet.tasks.column import FileColumn

TWIN = ".png"  # of a photo in another format


def pair_beside(files: Iterable[Path], columns: Mapping[str, type[FileColumn]]) -> dict[str, dict[Path, Path]]:
    """By kind of task, the label file of each image that has one in its own folder.

    A file whose name ends in `_mask`, `_depth` or the like belongs to the image without this ending. If every PNG in a
    folder has the name of a photo in another format and can be a label file, the PNGs are labels, unless the labels are
    in folders of their own.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        folders[file.parent].append(file)
    roles = role_names(columns)
    in_folders = any(meaning_of(folder.name, roles)[1] in columns for folder in folders)
    beside: dict[str, dict[Path, Path]] = defaultdict(dict)
    for folder, members in folders.items():
        if meaning_of(folder.name, roles)[1] not in columns:
            images = {IMAGE_END.sub("", file.stem): file for file in members if file.suffix.lower() in SUFFIXES}
            for file in members:
                _pair_by_end(file, images, columns, beside)
            if not in_folders:
                _pair_twins(members, columns, beside)
    return dict(beside)


def _pair_by_end(
    file: Path,
    images: Mapping[str, Path],
    columns: Mapping[str, type[FileColumn]],
    beside: dict[str, dict[Path, Path]],
) -> None:
    match = LABEL_END.search(file.stem)
    image = images.get(file.stem[: match.start()]) if match else None
    if match is None or image is None:
        return
    kind = next((kind for word, kind in KINDS.items() if word in match[1].lower()), "")
    if kind in columns and file.suffix.lower() in columns[kind].endings:
        beside[kind].setdefault(image, file)


def _pair_twins(
    members: Iterable[Path], columns: Mapping[str, type[FileColumn]], beside: dict[str, dict[Path, Path]]
) -> None:
    paired = {label for pairs in beside.values() for label in pairs.values()}
    pictures = [file for file in members if file.suffix.lower() in SUFFIXES and file not in paired]
    photos = {file.stem: file for file in pictures if file.suffix.lower() != TWIN}
    labels = [file for file in pictures if file.suffix.lower() == TWIN]
    if not labels or not all(label.stem in photos for label in labels):
        return
    kind = kind_of_file(labels[0])
    if kind and kind in columns:
        beside[kind] |= {photos[label.stem]: label for label in labels}
