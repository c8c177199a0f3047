"""Finds annotation files by their first bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats.coco import read_coco
from afanet.data.intake.formats.cvat import read_cvat
from afanet.data.intake.formats.images import Images, files_below
from afanet.data.intake.formats.label_studio import read_label_studio
from afanet.data.intake.formats.voc import read_voc, voc_roots
from afanet.data.intake.formats.yolo import read_yolo
from afanet.errors import InputError

HEAD = 2**16  # bytes
VOC = "Pascal VOC"
Reader = Callable[[Sequence[Path], Path, Images], Contents]


def _read_yolo(files: Sequence[Path], folder: Path, images: Images) -> Contents:
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1]} both describe a data set: give the file that you mean")
    return read_yolo(files[0], folder, images)


# By format: the endings of its files, a pattern in their first bytes, and the function that reads them.
FORMATS: dict[str, tuple[tuple[str, ...], re.Pattern[str], Reader]] = {
    "COCO": ((".json",), re.compile(r'^\s*\{.*"(images|annotations|categories)"\s*:\s*\[', re.DOTALL), read_coco),
    "Label Studio": (
        (".json",),
        re.compile(r'^\s*\[\s*\{.*"(annotations|completions|data)"\s*:\s*[\[{]', re.DOTALL),
        read_label_studio,
    ),
    "CVAT": ((".xml",), re.compile(r"<annotations[\s>]"), read_cvat),
    "YOLO": (
        (".yaml", ".yml"),
        re.compile(r"\A(?=.*^names\s*:)(?=.*^(train|val)\s*:)", re.DOTALL | re.MULTILINE),
        _read_yolo,
    ),
}


def read_annotations(path: Path, root: Path | None = None) -> Contents | None:
    """The contents of an annotation file, or of those in a folder, for the images below that folder; None without any.

    The images of a file are below `root`, if that is given, else below the file's own folder.

    Raises `InputError` for files that cannot be used, or for files of several formats.
    """
    folder = path if path.is_dir() else root or path.parent
    paths = list(files_below(folder))
    roots = voc_roots(paths) if path.is_dir() else []
    objects = tuple(f"{root}/Annotations/".lstrip("/") for root in roots)
    candidates = [folder / name for name in paths if not name.startswith(objects)] if path.is_dir() else [path]
    by_format: dict[str, list[Path]] = {VOC: [folder / root for root in roots]} if roots else {}
    for file in candidates:
        if name := _format(file):
            by_format.setdefault(name, []).append(file)
    if len(by_format) > 1:
        named = " and ".join(f"{name} ({files[0].relative_to(folder)})" for name, files in by_format.items())
        raise InputError(f"{folder} has annotations in several formats, {named}: give the file that you mean")
    if roots:
        return read_voc(roots, folder)
    for name, files in by_format.items():
        return FORMATS[name][2](files, folder, Images(paths))
    return None


def _format(file: Path) -> str | None:
    """The format of an annotation file; None for any other file."""
    names = [name for name, (endings, _, _) in FORMATS.items() if file.suffix.lower() in endings]
    if not names or not file.is_file():
        return None
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return None
    is_wide = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = head.decode("utf-16" if is_wide else "utf-8-sig", "replace")
    return next((name for name in names if FORMATS[name][1].search(text)), None)
