"""The distinct values of a column, those that mean an empty cell, and a rule's guess about them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EMPTY = frozenset(
    ("", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "null", "nil", "?", "missing", "undefined", "unknown", "nat")
)
DOUBTFUL = frozenset(("none", "-", "--", "."))  # a class, no label at all, or an empty cell: the rules decide
LISTED = 6  # most values in a line
LONGEST = 40  # most characters of a value in a line
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
PIECE = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Values:
    """How many cells have each value, and how many have each spelling of an empty cell."""

    counts: Counter[str]
    empty: Counter[str]

    @property
    def total(self) -> int:
        """How many cells are not empty."""
        return sum(self.counts.values())

    def without(self, spellings: Iterable[str]) -> Values:
        """The same values, with cells of these `spellings`, in lower case, counted as empty."""
        meant = frozenset(spellings)
        dropped = {value for value in self.counts if value.lower() in meant}
        counts = Counter({value: count for value, count in self.counts.items() if value not in dropped})
        return Values(counts, self.empty + Counter({value: self.counts[value] for value in dropped}))


@dataclass(frozen=True)
class Guess:
    """A column's declaration, the cell that each value becomes, a summary, and the empty values."""

    declared: dict[str, Any]
    cells: Mapping[str, str]
    summary: str
    empty: Mapping[str, int]


def read_values(cells: Mapping[str, int]) -> Values:
    """The values of counted cells, trimmed.

    >>> values = read_values({" cat": 1, "dog": 1, "N/A": 1, "": 1, "cat": 1})
    >>> values.counts, values.empty
    (Counter({'cat': 2, 'dog': 1}), Counter({'N/A': 1, '': 1}))
    """
    counts = Counter[str]()
    for written, count in cells.items():
        counts[tidy(written)] += count
    empty = Counter({value: count for value, count in counts.items() if value.lower() in EMPTY})
    return Values(counts - empty, empty)


def tidy(cell: str) -> str:
    """A cell in one line, with single spaces.

    >>> tidy(" a\\n  dog ")
    'a dog'
    """
    return " ".join(cell.split())


def words(header: str) -> list[str]:
    """The words of a column's name, in lower case.

    >>> words("Subject_ID"), words("tumourGrade2")
    (['subject', 'id'], ['tumour', 'grade', '2'])
    """
    return [word.lower() for word in WORD.findall(header)]


def natural(name: str) -> list[tuple[int, int, str]]:
    """The key that sorts names as people do.

    >>> sorted(["b10", "b9", "A"], key=natural)
    ['A', 'b9', 'b10']
    """
    parts = [part for part in PIECE.split(name.casefold()) if part]
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts] + [(-1, 0, name)]


def shorten(value: str) -> str:
    """A value in quotes for a line, shortened, with unprintable characters spelt out."""
    text = value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
    return f"'{''.join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)}'"


def constant(value: str, values: Values) -> str:
    """Why a column with one value is not a label."""
    beside = sum(values.empty.values())
    others = f", and {beside} are empty" if beside else ""
    return f"all {values.total} filled cells are {shorten(value)}{others}: nothing can be learned from one value"


def plain(name: str) -> str:
    """A name for a list that commas divide: in quotes if it has a comma itself."""
    quoted = shorten(name)
    return quoted if "," in name else quoted[1:-1]


def listed(counts: Mapping[str, int], names: Iterable[str] | None = None) -> str:
    """Values with their counts, in one line: `cat 3, dog 2`.

    >>> listed({f"c{number}": number for number in range(9)})
    'c0 0, c1 1, c2 2, c3 3, c4 4, c5 5 and 3 more'
    >>> listed({"red, dark": 3, "blue": 2})
    "'red, dark' 3, blue 2"
    """
    order = list(counts if names is None else names)
    text = ", ".join(f"{plain(name)} {counts[name]}" for name in order[:LISTED])
    return text + (f" and {len(order) - LISTED} more" if len(order) > LISTED else "")
