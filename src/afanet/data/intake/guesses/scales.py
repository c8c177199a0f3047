"""Columns of class names, in an order if their words make it certain."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

from afanet.data.intake.guesses.numbers import LEVEL_WORDS
from afanet.data.intake.guesses.values import Guess, Values, constant, listed, natural, shorten, words

MOST_CLASSES = 10_000
LONGEST_NAME = 200  # characters of a class name: a longer one is a text
FEWEST = 3  # classes for which an order matters
SCALES = (
    "none|absent, minimal|trace, very mild, mild|slight, moderate|medium, severe|strong, very severe|extreme",
    "none, very low, low, medium|moderate|mid|middle|normal|average, high, very high, extreme",
    "tiny|very small|extra small, small, medium|mid|middle|average|normal, large|big, huge|very large|extra large",
    "xxs, xs, s, m, l, xl, xxl|2xl, xxxl|3xl",
    "never, rarely|seldom, sometimes|occasionally, often|frequently|usually, always",
    "terrible|awful|very bad, bad|poor, fair|average|ok|okay|acceptable, good, very good, excellent",
    "strongly disagree, disagree, neutral, agree, strongly agree",
    "very negative, negative, neutral, positive, very positive",
    "baby|infant, toddler, child, teenager|teen|adolescent, young adult, adult, middle aged, senior|elderly",
    "first, second, third, fourth, fifth, sixth",
)
RANGE = re.compile(
    r"(?:(?:<=?|under |below |up to )(\d+)|[\[(]?(\d+) ?(?:-|–|to|,) ?(\d+)[\])]?|(?:>=?|over )?(\d+)\+?)"
)
DATE = re.compile(r"\d{4}[-/.]\d\d?[-/.]\d\d?\b|\d\d?[-/.]\d\d?[-/.]\d{4}\b|\d\d?:\d\d", re.ASCII)
NUMBERED = re.compile(r"([a-z]+)[ _-]?(\d+)([a-c]?)")


def guess_classes(name: str, values: Values) -> Guess | str:
    """The classes of a column of names, or why it has none.

    >>> from afanet.data.intake.guesses.values import Counter, read_values
    >>> guess_classes("size", read_values(Counter(["small", "large", "medium"] * 4))).declared
    {'kind': 'ordinal', 'classes': ['small', 'medium', 'large']}
    >>> guess_classes("note", read_values(Counter(["a dog", "the cat", "my hat"])))
    '3 different texts in 3 rows are taken to be names or remarks, no classes'
    """
    values = _without_empty(values)
    cells, counts = _spellings(values)
    count = len(counts)
    if count < 2:
        return constant(next(iter(counts)), values) if counts else f"every cell is empty ({listed(values.empty)})"
    if all(DATE.match(cell) for cell in counts):
        return f"the cells are dates, such as {next(iter(counts))}"
    if strange := next((cell for cell in counts if not cell.isprintable() or "�" in cell), None):
        return f"{shorten(strange)} has characters that cannot be written in a table"
    if long := next((cell for cell in counts if len(cell) > LONGEST_NAME), None):
        return f"{shorten(long)} is a text, not the name of a class"
    if 2 * count > values.total or count > MOST_CLASSES:
        return f"{count} different texts in {values.total} rows are taken to be names or remarks, no classes"
    order = in_order(list(counts))
    names = order or sorted(counts, key=natural)
    kind, what = ("ordinal", "levels") if order else ("classification", "classes")
    remarks = [f"{sum(number == 1 for number in counts.values())} of them with a single image"]
    said = "; ".join(remarks * (1 in counts.values()) + _merged(cells))
    why = ", taken to be ordinal by their words" if order else ""
    summary = f"{values.total} values of {count} {what} ({listed(counts, names)}){why}" + (f"; {said}" if said else "")
    return Guess({"kind": kind, "classes": names}, cells, summary, values.empty)


def in_order(names: list[str]) -> list[str]:
    """The names from the lowest to the highest, if their words make the order certain; else nothing.

    >>> in_order(["25-32", "4-6", "60+"]), in_order(["grade 2", "grade 1", "grade 3"]), in_order(["cat", "dog", "owl"])
    (['4-6', '25-32', '60+'], ['grade 1', 'grade 2', 'grade 3'], [])
    """
    if len(names) < FEWEST:
        return []
    plain = {name: re.sub(r"[\s_]+|(?<=[a-z])-(?=[a-z])", " ", name.lower()).strip("() ") for name in names}
    for scale in SCALES:
        ranks = {word: rank for rank, level in enumerate(scale.split(", ")) for word in level.split("|")}
        placed = {name: ranks[plain[name]] for name in names if plain[name] in ranks}
        if len(placed) == len(names) == len(set(placed.values())):
            return sorted(names, key=placed.__getitem__)
    numbered = [NUMBERED.fullmatch(name) for name in plain.values()]
    if all(numbered) and len({match[1] for match in numbered if match}) == 1 and set(words(names[0])) & LEVEL_WORDS:
        return sorted(names, key=natural)
    return _ranges({name: RANGE.fullmatch(text) for name, text in plain.items()})


def _ranges(matches: dict[str, re.Match[str] | None]) -> list[str]:
    """Names that are ranges of numbers, such as `4-6` and `60+`, in their order, if no two overlap."""
    limits: dict[str, tuple[float, float]] = {}
    for name, match in matches.items():
        if match is None:
            return []
        below, low, high, alone = match.groups()
        limits[name] = (-1, float(below)) if below else (float(low or alone), float(high or alone))
    ordered = sorted(limits, key=limits.__getitem__)
    inside = all(low <= high for low, high in limits.values())
    apart = all(limits[one][1] <= limits[other][0] for one, other in pairwise(ordered))
    ranges = sum(low < high for low, high in limits.values())
    return ordered if inside and apart and ranges > len(limits) / 2 else []


def _without_empty(values: Values) -> Values:
    """`None` is a class if the other names are written like it (none, mild, severe), otherwise an empty cell."""
    values = values.without(("-", "--", "."))
    others = [value for value in values.counts if value.lower() != "none" and value[:1].isalpha()]
    styles = Counter(_style(value) for value in others)
    strange = [value for value in values.counts if value.lower() == "none" and styles[_style(value)] < len(others) / 2]
    if not strange or not others:
        return values
    kept = Counter({value: count for value, count in values.counts.items() if value not in strange})
    return Values(kept, values.empty + Counter({value: values.counts[value] for value in strange}))


def _style(word: str) -> str:
    return "small" if word[:1].islower() else "capitals" if word.isupper() and len(word) > 1 else "capitalised"


def _spellings(values: Values) -> tuple[dict[str, str], Counter[str]]:
    """Each value's class: names that differ only in capitals are one class, in the most common spelling."""
    by_letters: dict[str, list[str]] = defaultdict(list)
    for value in values.counts:
        by_letters[value.casefold() if len(value) > 1 else value].append(value)
    cells: dict[str, str] = {}
    for spellings in by_letters.values():
        commonest = max(spellings, key=lambda value: (values.counts[value], value))
        cells |= dict.fromkeys(spellings, commonest)
    counts = Counter[str]()
    for value, cell in cells.items():
        counts[cell] += values.counts[value]
    return cells, counts


def _merged(cells: dict[str, str]) -> list[str]:
    others = [(value, cell) for value, cell in cells.items() if value != cell]
    if not others:
        return []
    more = f" and {len(others) - 1} more spellings" if len(others) > 1 else ""
    return [f"'{others[0][0]}' read as '{others[0][1]}'{more}"]
