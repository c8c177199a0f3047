"""Numbers as people read them: with significant digits, and in a unit that avoids thousands."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isfinite, log10

Units = Sequence[tuple[str, float]]  # units with their size in the base unit, the largest first

COUNT: Units = (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1))
WHOLE: Units = (("", 1),)
SECONDS: Units = (("s", 1), ("ms", 1e-3))
MEBIBYTES: Units = (("GiB", 2**10), ("MiB", 1))


def significant(value: float, digits: int) -> str:
    """A number with this many significant digits; only very small and very large ones have an exponent.

    >>> [significant(value, 3) for value in (14.67, 0.35, 12345.6, 0.0, 2.5e-9)]
    ['14.7', '0.35', '12346', '0', '2.5e-09']
    """
    if not isfinite(value) or value == 0 or not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def in_unit(values: Sequence[float | None], units: Units, digits: int) -> list[str]:
    """Values side by side in the unit of the largest; a dash for none.

    >>> in_unit([14.67, 0.356, None], SECONDS, 3), in_unit([0.0123], SECONDS, 3), in_unit([5.43e6], COUNT, 4)
    (['14.7 s', '0.356 s', '-'], ['12.3 ms'], ['5.43 M'])
    """
    most = max((value for value in values if value is not None), default=0.0)
    unit, size = next(((unit, size) for unit, size in units if most >= size), units[-1])
    return ["-" if value is None else f"{significant(value / size, digits)} {unit}".rstrip() for value in values]
