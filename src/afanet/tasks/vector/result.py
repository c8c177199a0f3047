"""Several numbers for the whole photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from afanet.framing import Box
from afanet.tasks.drawing.draw import Pixels, dots
from afanet.tasks.drawing.palette import palette
from afanet.tasks.label import Bools
from afanet.tasks.meaning import DECIMALS, NAMES, WORD, Check, is_range, is_whole
from afanet.tasks.result import PooledResult
from afanet.tasks.vector.frame import in_box, out_of_box

SHOWN = 8  # numbers in words
WHETHER: Check = ("true or false", lambda value: isinstance(value, bool))


def _are_ranges(value: Any) -> bool:
    return is_range(value) or (isinstance(value, list) and bool(value) and all(map(is_range, value)))


def _are_decimals(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(is_whole(number, 0, DECIMALS) for number in value)


@dataclass(frozen=True, eq=False)
class Numbers(PooledResult):
    """Numbers by name in a `unit`, with how many `decimals` of each are worth showing.

    `estimate` (N,) has the numbers as the network gives them: of `points`, fractions of the photo's width and height.
    `values` has them as people read them: points with the unit px are pixels of the photo, whose size is `photo`.
    `ranges` has the usual lowest and highest of each, if they are known.
    """

    expected: ClassVar[Mapping[str, Check]] = {
        "names": NAMES,
        "ranges": ("a range, two numbers, or one for each name", _are_ranges),
        "unit": WORD,
        "decimals": (f"whole numbers from 0 to {DECIMALS}", _are_decimals),
        "points": WHETHER,
    }
    compared = True
    reads = "numbers in the order of their names; points as fractions of the input, x and y in turn"

    task: str
    estimate: NDArray[np.float32]
    names: tuple[str, ...]
    unit: str
    decimals: tuple[int, ...]
    points: bool
    photo: tuple[int, int]
    ranges: tuple[tuple[float, float], ...] = ()

    @classmethod
    def meaning_fault(cls, meaning: Mapping[str, Any]) -> str | None:
        """See `Result`; every list has one entry for each name."""
        if fault := super().meaning_fault(meaning):
            return fault
        count, ranges = len(meaning["names"]), meaning["ranges"]
        lists = {"decimals": meaning["decimals"]} | ({} if is_range(ranges) else {"ranges": ranges})
        for key, values in lists.items():
            if len(values) != count:
                return f"'{key}' are {len(values)}, expected one for each of the {count} names"
        if meaning["points"] and (count % 2 or ranges != [0, 1]):
            return f"'points' is true with {count} names, expected x and y of each point, and the range 0 to 1"
        return None

    @classmethod
    def of_view(
        cls,
        meaning: Mapping[str, Any],
        estimate: NDArray[np.float32],
        mirrored: bool,
        size: tuple[int, int],
        filled: Box,
    ) -> NDArray[np.float32]:
        """Points turned back, as fractions of what the view shows of the photo."""
        if not meaning["points"]:
            return estimate
        if mirrored:
            estimate = estimate.copy()
            estimate[0::2] = 1 - estimate[0::2]
        return in_box(estimate, size, filled)

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...]:
        """A number for each name."""
        return (len(meaning["names"]),)

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """The numbers themselves."""
        names, decimals = tuple(meaning["names"]), tuple(meaning["decimals"])
        given = meaning["ranges"]
        ranges = tuple((low, high) for low, high in ([given] * len(names) if is_range(given) else given))
        return cls(task, estimate, names, meaning["unit"], decimals, meaning["points"], size, ranges)

    def within(self, photo: tuple[int, int], seen: Box) -> Self:
        """Points as fractions of the whole photo."""
        return replace(self, estimate=out_of_box(self.estimate, photo, seen), photo=photo) if self.points else self

    @property
    def values(self) -> dict[str, float]:
        """Every number by name, in the unit; points without a unit are fractions of the photo's width and height."""
        numbers = self.estimate.astype(np.float64)
        if self.in_pixels:
            numbers = numbers * np.tile([self.photo[1], self.photo[0]], len(self.names) // 2)
        return dict(zip(self.names, numbers.tolist(), strict=True))

    @property
    def in_pixels(self) -> bool:
        """Whether these are points in pixels."""
        return self.points and self.unit == "px"

    def marked(self, picture: Pixels) -> Pixels:
        """The picture with a dot for each point."""
        if not self.points:
            return picture
        pairs = self.estimate.reshape(-1, 2)
        return dots(picture, [(float(x), float(y)) for x, y in pairs], palette(len(pairs)).tolist())

    def as_target(self) -> NDArray[np.float32]:
        """The numbers (N,); of points, fractions."""
        return self.estimate

    @property
    def declaration(self) -> dict[str, Any]:
        """Its `names`, the `unit`, and whether they are `points`, or else their `range`."""
        keys: dict[str, Any] = {"names": list(self.names)} | ({"unit": self.unit} if self.unit else {})
        if self.points:
            return keys | {"points": True}
        ranges = [list(limits) for limits in self.ranges]
        same = ranges[1:] == ranges[:-1]
        return keys | {"range": ranges[0] if same else dict(zip(self.names, ranges, strict=True))} if ranges else keys

    def mirrored(self) -> Self:
        """With the x of points measured from the other side; names do not exchange sides."""
        if not self.points:
            return self
        turned = self.estimate.copy()
        turned[0::2] = 1 - turned[0::2]
        return replace(self, estimate=turned)

    def confidence(self, mirror: Self | None = None) -> NDArray[np.float32] | None:
        """1 - |a - b| / range for each number of the photo and of its mirror image, at least 0.

        The range of points is the photo's width or height.
        """
        if mirror is None or not self.ranges:
            return None
        widths = np.array([high - low for low, high in self.ranges])
        agreement = 1 - np.abs(self.estimate - mirror.estimate) / widths
        return np.asarray(agreement.clip(0, 1), np.float32)

    def as_label(self, known: Bools | None = None, declared: Mapping[str, Any] = {}) -> str:
        """The numbers, separated by semicolons; `?` for those that are not known and for points outside the photo.

        Numbers are clipped to their range, since the column reads no others.
        """
        sure = np.ones(len(self.names), bool) if known is None else known.copy()
        values = np.array(list(self.values.values()))
        if self.points:
            sure &= (self.estimate >= 0) & (self.estimate <= 1)
        elif self.ranges:
            values = values.clip(*np.array(self.ranges).T)
        return ";".join(f"{value:.9g}" if certain else "?" for value, certain in zip(values, sure, strict=True))

    def misfit(self, cell: str, file: Path, declared: Mapping[str, Any] = {}) -> str | None:
        """A cell with more or fewer numbers."""
        return None if cell.count(";") == len(self.names) - 1 else f"it has {len(self.names)} numbers"

    def __str__(self) -> str:
        shown = zip(self.values.items(), self.decimals, strict=True)
        parts = [f"{name} {number:.{1 if self.in_pixels else decimals}f}" for (name, number), decimals in shown]
        more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        unit = "of the photo" if self.points and not self.in_pixels else self.unit
        return f"{', '.join(parts[:SHOWN])}{more} {unit}".strip()

    def as_json(self) -> dict[str, Any]:
        """`values` by name, and the `unit`."""
        return {"values": self.values, "unit": self.unit}

    def columns(self) -> dict[str, str | float]:
        """`TASK.NAME` for each number, in the unit."""
        return {f"{self.task}.{name}": number for name, number in self.values.items()}
