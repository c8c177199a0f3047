"""Adience's fold files: their rows, and the rules that turn ages and genders as written into classes."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from afanet.data.files import other_layout, require_path
from afanet.errors import InputError, shown
from afanet.files import MOST_BYTES, require_regular

EXPECTED = (
    "a folder with fold_0_data.txt to fold_4_data.txt and the photos in aligned/ or faces/, as its authors give "
    "them out by talhassner.github.io"
)
COLUMNS = ("user_id", "original_image", "face_id", "age", "gender")
GENDERS = {"f": 0, "m": 1, "u": -1, "": -1}
AGES = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))
REGULAR = {str(limits): number for number, limits in enumerate(AGES)} | {"None": -1, "": -1}
# Ranges in the published files that are not one of the eight: the class that they mean, or -1 if that is unclear.
ODD_RANGES = {
    "(8, 13)": 2, "(25, 23)": 4, "(27, 32)": 4, "(38, 42)": 5, "(38, 48)": 5, "(8, 23)": -1,
}  # fmt: skip

AgePolicy = Literal["map", "drop"]


@dataclass(frozen=True)
class Face:
    """A photo of a face: its user, its file, and its classes, -1 for unlabelled."""

    user: str
    face: str
    photo: str
    gender: int
    age: int


@dataclass(frozen=True)
class Fold:
    """The labelled faces of one fold file, and counts of its other rows.

    Every row counts once: `left_out` counts rows that are a `duplicate` of another or `unlabelled`, and `problems` has
    a sentence for each row that cannot be used. `odd_ages` counts each age outside the eight ranges.
    """

    faces: list[Face]
    left_out: Counter[str]
    odd_ages: Counter[str]
    problems: list[str]


def age_class(text: str, ages: AgePolicy = "map") -> int | None:
    """The class 0..7 of an age as written, -1 for an age without a class, None for one that cannot be understood.

    The eight ranges are the classes. The policy `drop` leaves odd ages unlabelled. The policy `map` maps the odd ranges
    of the published files to the class that they mean (`(8, 23)` spans three and stays unlabelled), and a bare number
    to the range that contains it, or else to the nearest range; if two are equally near, to the younger.

    >>> [age_class(text) for text in ("(25, 32)", "(38, 48)", "29", "35", "None", "(8, 23)", "old")]
    [4, 5, 4, 4, -1, -1, None]
    >>> [age_class(text, "drop") for text in ("(25, 32)", "(38, 48)", "29", "35", "None", "(8, 23)", "old")]
    [4, -1, -1, -1, -1, -1, None]
    """
    if text in REGULAR:
        return REGULAR[text]
    if text in ODD_RANGES:
        mapped = ODD_RANGES[text]
    elif text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) <= AGES[-1][1]:
        years = int(text)
        mapped = min(range(len(AGES)), key=lambda number: max(AGES[number][0] - years, years - AGES[number][1]))
    else:
        return None
    return mapped if ages == "map" else -1


def read_folds(root: Path | None, ages: AgePolicy = "map") -> list[Fold]:
    """The five folds at `root`; raises `InputError` if any is missing."""
    root = require_path(root, "adience", EXPECTED)
    if not root.is_dir() or not any(root.glob("fold_*_data.txt")):
        raise other_layout(root, "adience", EXPECTED)
    return [read_fold(root / f"fold_{number}_data.txt", ages) for number in range(5)]


def read_fold(path: Path, ages: AgePolicy = "map") -> Fold:
    """The labelled faces of `fold_K_data.txt`, each row once, and a sentence with the line of each unusable row.

    Raises `InputError` for a file that is missing, is not text or lacks a column.
    """
    header, *lines = _read_lines(path)
    fold = Fold([], Counter(), Counter(), [])
    seen: set[tuple[str, ...]] = set()
    for number, fields in enumerate(map(tuple, lines), start=2):
        row = dict(zip(header, fields, strict=False))
        if not fields:
            continue
        if fields in seen:
            fold.left_out["duplicate"] += 1
        elif wrong := _wrong(row) if len(fields) == len(header) else f"{len(fields)} fields, expected {len(header)}":
            fold.problems.append(f"{path}, line {number}, has {wrong}: correct it")
        else:
            fold.odd_ages.update({row["age"]} - REGULAR.keys())
            age, gender = age_class(row["age"], ages), GENDERS[row["gender"]]
            assert age is not None
            if age == gender == -1:
                fold.left_out["unlabelled"] += 1
            else:
                fold.faces.append(Face(row["user_id"], row["face_id"], row["original_image"], gender, age))
        seen.add(fields)
    return fold


def _read_lines(path: Path) -> list[list[str]]:
    try:
        with require_regular(path, MOST_BYTES).open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: Adience has fold_0_data.txt to fold_4_data.txt") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not TAB-separated text ({error}): copy the fold file again") from error
    absent = [column for column in COLUMNS if not lines or column not in lines[0]]
    if absent:
        raise InputError(
            f"{path} lacks the column '{absent[0]}' in its first line, expected {', '.join(COLUMNS)}, separated by "
            f"TABs: copy the fold file again"
        )
    return lines


def _wrong(row: dict[str, str]) -> str | None:
    """The value in a row that cannot be used, and what is expected instead; None for a good row."""
    if age_class(row["age"]) is None:
        return f"age {shown(row['age'], 40)}, expected a range such as (25, 32), years or None"
    if row["gender"] not in GENDERS:
        return f"gender {shown(row['gender'], 40)}, expected f, m, u or nothing"
    for column in ("user_id", "original_image", "face_id"):
        name = row[column]
        # These fields become a path, which must stay inside the folder of photos.
        if name in ("", "..") or name != Path(name).name or not name.isprintable():
            return f"{column} {shown(name, 40)}, expected a part of a file's name"
    return None
