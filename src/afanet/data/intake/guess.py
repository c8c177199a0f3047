"""Guesses what a column of a table teaches: its kind of task and the keys of that kind, from its values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from afanet.data.intake.cells import Cells
from afanet.data.intake.contents import Column
from afanet.data.intake.guesses.numbers import guess_numbers
from afanet.data.intake.guesses.scales import guess_classes
from afanet.data.intake.guesses.tags import guess_tags
from afanet.data.intake.guesses.values import Guess, read_values, tidy

FILE = re.compile(r".*\.(png|jpe?g|npy|npz|tiff?|bmp|exr|webp|gif|json|xml|txt|mp4)", re.IGNORECASE)


def guess_column(name: str, cells: Mapping[str, str]) -> Column | str:
    """The task that a column of labels teaches, or a sentence that says why the column is not a label.

    Numbers are taken to be amounts, or classes if there are only a few whole ones. Words are taken to be classes, or
    levels if their order is beyond doubt. Lists are taken to be several labels per image. Cells such as `NA` or `?` are
    empty.

    Args:
        name: the column's name; words in it such as `age`, `grade` or `id` are hints.
        cells: the cell of each image, "" if it is empty.

    Returns:
        The column, without images that have no label, and with a line about what was assumed. Or a sentence, without
        the column's name.

    >>> column = guess_column("pet", {"1.jpg": "cat", "2.jpg": "dog", "3.jpg": "NA", "4.jpg": "cat", "5.jpg": "dog"})
    >>> column.declared, column.summary
    ({'kind': 'classification', 'classes': ['cat', 'dog']}, "4 values of 2 classes (cat 2, dog 2); empty: 1 'NA'")
    >>> guess_column("file", {"1.jpg": "a-17", "2.jpg": "b-99", "3.jpg": "c-4", "4.jpg": "d-1"})
    '4 different texts in 4 rows are taken to be names or remarks, no classes'
    """
    values = read_values(cells.counts() if isinstance(cells, Cells) else Counter(cells.values()))
    if not values.counts:
        return "every cell is empty"
    if names_files(values.counts):
        return f"the cells name files, such as {next(iter(values.counts))}"
    guess = guess_numbers(name, values) or guess_tags(name, values) or guess_classes(name, values)
    if not isinstance(guess, Guess):
        return guess
    return Column(guess.declared, _changed(cells, guess.cells), guess.summary + _said(guess.empty))


def names_files(counts: Iterable[str]) -> bool:
    """Whether all cells that are not empty name files.

    >>> names_files(["masks/1.png", ""]), names_files(["png"])
    (True, False)
    """
    cells = [cell for cell in counts if cell.strip()]
    return bool(cells) and all(FILE.fullmatch(cell) for cell in cells)


def _changed(cells: Mapping[str, str], change: Mapping[str, str]) -> Mapping[str, str]:
    """The cells as written in a manifest, without empty ones."""
    if isinstance(cells, Cells):
        return cells.mapped(lambda written: change.get(tidy(written), ""))
    return {image: cell for image, written in cells.items() if (cell := change.get(tidy(written), ""))}


def _said(empty: Mapping[str, int]) -> str:
    """A remark about empty cells: how many have no text, and which texts are taken to be empty."""
    if not empty:
        return ""
    spelt = Counter({value: count for value, count in empty.items() if value})
    named = ", ".join(f"{count} '{value}'" for value, count in spelt.most_common(3))
    return f"; empty: {' and '.join(filter(None, [str(empty.get('', '') or ''), named]))}"
