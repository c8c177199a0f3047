"""Adience's fold files: rows, and the policy by which ages and genders as written become classes."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from afanet.errors import InputError

COLUMNS = ("user_id", "original_image", "face_id", "age", "gender")
GENDERS = {"f": 0, "m": 1, "u": -1, "": -1}
AGES = ((0, 2), (4, 6), (8, 12), (15, 20), (25, 32), (38, 43), (48, 53), (60, 100))
# Ranges in the published files that are none of the eight: the class they mean, or -1 where that is not clear.
ODD_RANGES = {
    "(8, 13)": 2, "(25, 23)": 4, "(27, 32)": 4, "(38, 42)": 5, "(38, 48)": 5, "(8, 23)": -1,
}  # fmt: skip


@dataclass(frozen=True)
class Face:
    """A photo of a face: whose, which file, and its classes, -1 where unlabelled; `odd` if its age was mapped."""

    user: str
    face: str
    photo: str
    gender: int
    age: int
    odd: bool


@dataclass(frozen=True)
class Fold:
    """The faces of one fold file that have a label, and how many rows were left out as duplicates or unlabelled."""

    faces: list[Face]
    duplicates: int
    unlabelled: int


def age_class(text: str) -> int | None:
    """The class 0..7 of an age as written, -1 if there is none, None if it cannot be understood.

    The eight ranges are their classes; the odd ranges of the published files go to the class that they mean
    (`(8, 23)` spans three and counts as unlabelled); a bare number goes to the range that holds it or else to the
    nearest, to the younger of two as near.

    >>> [age_class(text) for text in ("(25, 32)", "(38, 48)", "29", "35", "None", "(8, 23)", "old")]
    [4, 5, 4, 4, -1, -1, None]
    """
    written = {str(limits): number for number, limits in enumerate(AGES)} | ODD_RANGES | {"None": -1, "": -1}
    if text in written:
        return written[text]
    if not (text.isascii() and text.isdecimal() and int(text) <= AGES[-1][1]):
        return None
    years = int(text)
    return min(range(len(AGES)), key=lambda number: max(AGES[number][0] - years, years - AGES[number][1]))


def read_fold(path: Path) -> Fold:
    """The labelled faces of `fold_K_data.txt`, each row once; raises `InputError` naming the line it cannot use."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: Adience has fold_0_data.txt to fold_4_data.txt") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no TAB separated text ({error}): copy the fold file again") from error
    header = lines[0] if lines else []
    absent = [column for column in COLUMNS if column not in header]
    if absent:
        raise InputError(
            f"{path} lacks the column '{absent[0]}' in its first line, expected {', '.join(COLUMNS)}, separated by "
            f"TABs: copy the fold file again"
        )
    faces, seen, duplicates, unlabelled = [], set(), 0, 0
    for number, row in enumerate(lines[1:], start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {number}, has {len(row)} fields, expected {len(header)} as in its first line: mend it"
            )
        if tuple(row) in seen:
            duplicates += 1
            continue
        seen.add(tuple(row))
        face = _face(dict(zip(header, row, strict=True)), f"{path}, line {number},")
        if face.gender == face.age == -1:
            unlabelled += 1
        else:
            faces.append(face)
    return Fold(faces, duplicates, unlabelled)


def _face(row: dict[str, str], where: str) -> Face:
    age, gender = age_class(row["age"]), GENDERS.get(row["gender"])
    if age is None:
        raise InputError(f"{where} has age '{row['age']}', expected a range such as (25, 32), years or None: mend it")
    if gender is None:
        raise InputError(f"{where} has gender '{row['gender']}', expected f, m, u or nothing: mend it")
    odd = age >= 0 and row["age"] != str(AGES[age])
    return Face(row["user_id"], row["face_id"], row["original_image"], gender, age, odd)
