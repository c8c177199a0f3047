"""Columns of numbers: amounts, levels in an order, or the numbers of classes."""

from __future__ import annotations

import re
from decimal import Decimal

from afanet.data.intake.guesses.values import (
    DOUBTFUL,
    Guess,
    Values,
    constant,
    listed,
    natural,
    shorten,
    words,
)

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
CODES = frozenset(("-99", "-999", "-9999"))  # for a missing number, if all others are 0 or more
LARGEST = 10**30  # of a number to learn: float32 ends at 10^38
FEW = 10  # up to so many different whole numbers may be classes, whatever the column's name
OFTEN = 3  # fewest cells for each of these numbers, on average
MOST_LEVELS = 20
CLASS_WORDS = frozenset(
    ("label", "labels", "class", "classes", "category", "type", "species", "target", "breed", "code")
)
LEVEL_WORDS = frozenset(
    ("rating", "grade", "level", "stage", "score", "severity", "stars", "quality", "degree", "rank")
)
SIZE_WORDS = (
    "height",
    "width",
    "length",
    "weight",
    "size",
    "area",
    "volume",
    "price",
    "cost",
    "distance",
    "angle",
    "mean",
)
COUNT_WORDS = (
    "age",
    "count",
    "number",
    "num",
    "amount",
    "year",
    "years",
    "time",
    "duration",
    "percent",
    "ratio",
    "speed",
)
AMOUNT_WORDS = frozenset((*SIZE_WORDS, *COUNT_WORDS, "temperature", "x", "y", "z"))
ID_WORDS = frozenset(("id", "ids", "idx", "index", "no", "nr", "uid", "uuid", "key", "row", "unnamed", "timestamp"))


def guess_numbers(name: str, values: Values) -> Guess | str | None:
    """What a column of numbers means; None for any other column.

    >>> from afanet.data.intake.guesses.values import Counter, read_values
    >>> guess_numbers("age", read_values(Counter(["31", "4.5", "77"]))).declared
    {'kind': 'regression', 'range': [0, 80]}
    """
    values = values.without(DOUBTFUL)
    plain = {value: value for value in values.counts if NUMBER.fullmatch(value)}
    commas = [value for value in values.counts if COMMA.fullmatch(value)]
    if not plain and not commas:
        return None
    if len(plain) + len(commas) < len(values.counts):
        return _mixed(values, plain.keys() | commas)
    if commas:
        if any("." in value for value in plain) or all(THOUSANDS.fullmatch(value) for value in commas):
            return f"{shorten(commas[0])} may have its comma for thousands or for decimals: write a point for decimals"
        plain |= {value: value.replace(",", ".") for value in commas}
    if largest := next((value for value, text in plain.items() if abs(float(text)) > LARGEST), None):
        return f"{shorten(largest)} is too large for a number to learn: leave it empty, or correct it"
    numbers = {value: _exact(text) for value, text in plain.items()}
    if codes := {value for value in numbers if _whole_text(numbers[value]) in CODES}:
        rest = {value: number for value, number in numbers.items() if value not in codes}
        if rest and min(rest.values()) >= 0:
            values, numbers = values.without(codes), rest
            plain = {value: plain[value] for value in rest}
    return _decide(name, values, numbers, plain, f", with a comma for decimals ({commas[0]})" if commas else "")


def _decide(
    name: str, values: Values, numbers: dict[str, Decimal], plain: dict[str, str], remark: str
) -> Guess | str | None:
    low, high = min(numbers.values()), max(numbers.values())
    if float(low) == float(high):
        return constant(next(iter(values.counts)), values)
    of_name = set(words(name))
    whole = all(number == number.to_integral_value() for number in numbers.values())
    count = len(set(numbers.values()))
    numbered = count == values.total > FEW and high - low + 1 == count
    mostly_distinct = whole and count > 0.9 * values.total and not of_name & AMOUNT_WORDS
    if mostly_distinct and (numbered or of_name & ID_WORDS):
        return f"{count} different whole numbers in {values.total} rows are taken to be an identifier"
    often = values.total >= OFTEN * count
    if whole and not of_name & AMOUNT_WORDS:
        if often and of_name & LEVEL_WORDS and 2 < count <= MOST_LEVELS:
            return _classes("ordinal", values, numbers, ", in the order of the numbers")
        if (often and count <= FEW) or (of_name & CLASS_WORDS and low >= 0 and values.total >= 2 * count):
            return _classes("classification", values, numbers, "; if they measure something, declare kind: regression")
    limits = round_outwards(low, high)
    summary = f"{values.total} numbers from {_short(low)} to {_short(high)}{remark}, taken to be regression"
    return Guess({"kind": "regression", "range": limits}, plain, summary, values.empty)


def _classes(kind: str, values: Values, numbers: dict[str, Decimal], remark: str) -> Guess:
    cells = {value: _whole_text(number) for value, number in numbers.items()}
    names = sorted(set(cells.values()), key=lambda text: int(text))
    counts = dict.fromkeys(names, 0)
    for value, cell in cells.items():
        counts[cell] += values.counts[value]
    what = "levels" if kind == "ordinal" else "classes"
    summary = f"{values.total} whole numbers, taken to be {len(names)} {what} ({listed(counts)}){remark}"
    return Guess({"kind": kind, "classes": names}, cells, summary, values.empty)


def _mixed(values: Values, numbers: set[str]) -> str | None:
    """Why a column of numbers with a few words in it is not a label; None if it is not a column of numbers."""
    others = [value for value in sorted(values.counts, key=natural) if value not in numbers]
    strange = sum(values.counts[value] for value in others)
    if strange > values.total / 5 or len(values.counts) <= MOST_LEVELS:
        return None
    return (
        f"{shorten(others[0])} is among numbers ({strange} of {values.total} cells are none): leave these cells empty, "
        "or mend them"
    )


def _exact(text: str) -> Decimal:
    """The exact number; if it has an exponent, which may be any, its value as a float."""
    return Decimal(repr(float(text)) if "e" in text.lower() else text)


def _whole_text(number: Decimal) -> str:
    return str(int(number)) if number == number.to_integral_value() and abs(number) < LARGEST else str(number)


def _short(number: Decimal) -> str:
    return f"{float(number):g}"


def round_outwards(low: Decimal, high: Decimal) -> list[int | float]:
    """A range with round ends that contains `low` to `high`.

    >>> round_outwards(Decimal("1.5"), Decimal(99)), round_outwards(Decimal("0.12"), Decimal("0.97"))
    ([0, 100], [0.1, 1])
    """
    fifth = (high - low) / 5
    power = Decimal(10) ** fifth.adjusted()
    step = max(power * digit for digit in (1, 2, 5) if power * digit <= fifth)
    ends = (low / step).to_integral_value("ROUND_FLOOR") * step, (high / step).to_integral_value("ROUND_CEILING") * step
    return [int(end) if end == end.to_integral_value() else float(end) for end in ends]
