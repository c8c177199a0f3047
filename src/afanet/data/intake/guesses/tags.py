"""Columns whose cells list several labels, with any separator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from afanet.data.intake.guesses.numbers import NUMBER
from afanet.data.intake.guesses.values import DOUBTFUL, Guess, Values, listed, natural, shorten, tidy

SEPARATORS = {";": "semicolons", "|": "bars", ",": "commas"}
BRACKETS = re.compile(r"[\[({](.*)[\])}]")
MOST_LABELS = 1000
NONE, UNKNOWN = "-", "?"
NO_LABEL = "'-'"


def guess_tags(name: str, values: Values) -> Guess | str | None:
    """The labels of a column of lists; None for any other column.

    >>> from afanet.data.intake.guesses.values import Counter, read_values
    >>> guess = guess_tags("seen", read_values(Counter(["wet, sunny", "wet", "-", "sunny, old", "old"])))
    >>> guess.declared, guess.cells["wet, sunny"]
    ({'kind': 'multi_label', 'labels': ['old', 'sunny', 'wet']}, 'wet;sunny')
    """
    full = [value for value in values.counts if value.lower() not in DOUBTFUL]
    bracketed = {value: match[1] for value in full if (match := BRACKETS.fullmatch(value))}
    in_brackets = len(bracketed) == len(full)
    inner = bracketed if in_brackets else {value: value for value in full}
    for sign, meaning in SEPARATORS.items():
        if not any(sign in text for text in inner.values()):
            continue
        if count := _numbers(inner.values(), sign):
            return f"lists of {count} numbers each are not labels: declare it as kind vector to learn them"
        parts = {value: _parts(text, sign, in_brackets) for value, text in inner.items()}
        if _recurs(values, parts, sign, in_brackets):
            return _tags(values, parts, meaning)
    return None


def _numbers(texts: Collection[str], sign: str) -> int:
    """How many numbers each text lists, if all list the same number, such as the corners of boxes; else 0.

    >>> _numbers(["1, 2.5", "3, 4"], ","), _numbers(["1, 2", "3"], ",")
    (2, 0)
    """
    lengths = {len(text.split(sign)) for text in texts}
    numbers = all(NUMBER.fullmatch(part.strip()) for text in texts for part in text.split(sign))
    return lengths.pop() if numbers and len(lengths) == 1 else 0


def _parts(text: str, sign: str, quoted: bool) -> list[str]:
    parts = [part.strip() for part in text.split(sign)]
    return list(dict.fromkeys(part for part in (part.strip("'\"") if quoted else part for part in parts) if part))


def _recurs(values: Values, parts: dict[str, list[str]], sign: str, in_brackets: bool) -> bool:
    """Whether the parts are labels, which recur in several cells: names and remarks may contain commas, too."""
    cells, rows = Counter[str](), Counter[str]()
    for value, several in parts.items():
        cells.update(several)
        rows.update(dict.fromkeys(several, values.counts[value]))
    if (
        all(len(several) < 2 for several in parts.values())
        or len(cells) > MOST_LABELS
        or sum(rows.values()) < 2 * len(rows)
    ):
        return False
    if sign != "," or in_brackets:
        return True
    joined = {part for several in parts.values() if len(several) > 1 for part in several}
    return sum(cells[part] > 1 for part in joined) > len(joined) / 2


def _tags(values: Values, parts: dict[str, list[str]], meaning: str) -> Guess | str:
    counts = Counter[str]()
    for value, several in parts.items():
        counts.update(dict.fromkeys(several, values.counts[value]))
    doubted = {f"{label}{UNKNOWN}" for label in counts}
    labels = sorted(counts.keys() - doubted, key=natural)
    signs = (NONE, UNKNOWN)
    if strange := next((label for label in labels if ";" in label or label in signs or not label.isprintable()), None):
        return f"{shorten(strange)} cannot be a label: rename it"
    cells = {value: ";".join(tidy(part) for part in several) or NONE for value, several in parts.items()}
    none = [value for value in values.counts if value not in parts]
    cells |= dict.fromkeys(none, NONE)
    bare = sum(values.counts[value] for value, cell in cells.items() if cell == NONE)
    said = f"; {bare} with none of them" if bare else f"; an image that has none of them needs {NO_LABEL}"
    unknown = len(counts) - len(labels)
    said = f"; {unknown} labels marked as unknown with '?' in some" + said if unknown else said
    single = sum(counts[label] == 1 for label in labels)
    rare = f"; {single} of them in a single image" if single else ""
    summary = (
        f"{values.total} lists, with {meaning} between {len(labels)} labels ({listed(counts, labels)}), taken to be "
        f"multi_label{rare}{said}; if the cells are remarks, delete its line under 'tasks'"
    )
    return Guess({"kind": "multi_label", "labels": labels}, cells, summary, values.empty)
