"""What a column is, by its name and cells: the split, the group, or a task, which gets a valid name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping
from itertools import chain, count

from afanet.data.intake.guesses.values import EMPTY, words
from afanet.data.intake.tree import SPLITS as FOLDERS
from afanet.data.sets.manifest.kinds import COLUMNS
from afanet.data.task_names import name_fault
from afanet.names import LONGEST

SPLITS = FOLDERS | {  # in addition to the names of folders
    **dict.fromkeys(("trn", "tr", "learn", "fit"), "train"),
    **dict.fromkeys(("validate", "dev", "development", "eval"), "validation"),
    **dict.fromkeys(("tst", "te", "holdout", "hold-out"), "test"),
}
NUMBERED = {"0": "train", "1": "validation", "2": "test"}  # as in CelebA
SPLIT_WORDS = frozenset(("split", "subset", "partition", "set", "phase", "usage", "fold"))
PEOPLE = frozenset(
    ("group", "groups", "person", "people", "subject", "patient", "participant", "identity", "individual", "owner")
)
SCENES = frozenset(("scene", "video", "clip", "sequence", "session", "case", "lesion", "family", "study", "recording"))
NUMBER_WORDS = frozenset(("id", "ids", "no", "nr", "number", "num", "key", "code"))
IMAGE_WORDS = frozenset(("image", "img", "file", "filename", "path", "filepath", "photo", "picture", "name", "frame"))


def split_of_cells(header: str, counts: Mapping[str, int]) -> dict[str, str] | None:
    """The split that each cell of a column means, if the column holds splits.

    >>> split_of_cells("usage", {"Training": 80, "Test": 20, "": 1})
    {'Training': 'train', 'Test': 'test'}
    >>> split_of_cells("partition", {"0": 8, "1": 1, "2": 1}), split_of_cells("grade", {"0": 8, "1": 2})
    ({'0': 'train', '1': 'validation', '2': 'test'}, None)
    """
    cells = [cell for cell in counts if cell.strip().lower() not in EMPTY]
    meant = {cell: SPLITS[cell.strip().lower()] for cell in cells if cell.strip().lower() in SPLITS}
    named = bool(set(words(header)) & SPLIT_WORDS)
    if meant and "train" in meant.values() and (len(meant) == len(cells) or named):
        return meant
    plain = {cell: cell.removesuffix(".0") for cell in cells}
    if named and set(plain.values()) in ({"0", "1", "2"}, {"0", "2"}) and "fold" not in words(header):
        return {cell: NUMBERED[number] for cell, number in plain.items()}
    return None


def is_group(header: str, counts: Mapping[str, int]) -> bool:
    """Whether a column names the person or scene in an image; neither may be in two splits.

    >>> is_group("patient_id", {"7": 3, "8": 4}), is_group("scene", {"kitchen": 9, "hall": 8})
    (True, False)
    """
    named = words(header)
    others = set(named) - PEOPLE - SCENES - NUMBER_WORDS
    cells = [cell for cell in counts if cell.strip().lower() not in EMPTY]
    if others or len(cells) < 2 or not set(named) & (PEOPLE | SCENES):
        return False
    numbered = sum(any(sign.isdigit() for sign in cell) for cell in cells) > len(cells) / 2
    return bool(set(named) & PEOPLE) or bool(set(named) & NUMBER_WORDS) or numbered


def task_name(header: str, taken: Container[str]) -> str:
    """A valid name for the task of a column, as similar as possible to the column's name.

    >>> [task_name(header, {"age"}) for header in ("Eye colour", "5_o_Clock", "class", "age", "Größe", "年齢", "split")]
    ['Eye_colour', 'task_5_o_Clock', 'class_of', 'age_2', 'Grosse', 'task', 'split_of']
    """
    plain = unicodedata.normalize("NFKD", header.replace("ß", "ss")).encode("ascii", "ignore").decode()
    name = re.sub(r"\W+", "_", plain, flags=re.ASCII).strip("_")[: LONGEST - 8] or "task"
    name = f"task_{name}" if not name[0].isalpha() else name
    name = f"{name}_of" if name in COLUMNS or name_fault(name) else name
    numbered = (f"{name}_{number}" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken and not name_fault(free))
