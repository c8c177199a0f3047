"""From the values in files of masks to classes, by tables: no Python for a pixel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.label_files import Coloured
from afanet.tasks.segmentation.values import void_of

COLOURS = 1 << 24


class Lookup:
    """The target of each value that files of masks may have.

    Args:
        classes: the class of each value, a number of one of `count` classes.
        voids: the values that mean none of them.

    >>> lookup = Lookup({0: 0, 255: 1}, [7], count=2)
    >>> codes = lookup.codes(np.array([255, 7, 9], np.uint8))
    >>> lookup.target(codes).tolist(), (codes == 0).tolist()
    ([1, 255, 255], [False, False, True])
    """

    def __init__(self, classes: Mapping[int, int], voids: tuple[int, ...], count: int) -> None:
        self.void = void_of(count)
        self.values = (*classes, *voids)
        self.listed = (*(number + 1 for number in classes.values()), *(self.void + 1 for _ in voids))
        self.dtype = "i2" if self.void == 255 else "i4"

    def codes(self, values: NDArray[Any]) -> NDArray[np.signedinteger]:
        """The targets of `values`, of any integer type, plus 1; 0 for a value that is not listed."""
        if values.dtype.itemsize > 2:
            narrow = np.min_scalar_type(values.min()), np.min_scalar_type(values.max())
            if (fitting := np.result_type(*narrow)).itemsize > 2:
                return self._codes_of_wide(values)
            values = values.astype(fitting)
        bits = values.astype(values.dtype.newbyteorder("="), copy=False).view(f"u{values.dtype.itemsize}")
        of_type = "u1" if values.dtype.kind == "b" else bits.dtype.str.replace("u", values.dtype.kind)
        return np.take(_table(self.values, self.listed, of_type, self.dtype), bits)

    def _codes_of_wide(self, values: NDArray[Any]) -> NDArray[np.signedinteger]:
        order = np.argsort(self.values)
        known = np.array(self.values, np.int64)[order]
        wide = values if values.dtype != np.uint64 else np.minimum(values, np.uint64(np.iinfo(np.int64).max))
        wide = wide.astype(np.int64)
        at = np.searchsorted(known, wide).clip(max=len(known) - 1)
        return np.where(known[at] == wide, np.array(self.listed, self.dtype)[order][at], np.array(0, self.dtype))

    def codes_of_colours(self, coloured: Coloured) -> NDArray[np.signedinteger]:
        """As `codes`, for values that number colours."""
        table = _colour_table(self.values, self.listed, self.dtype)
        if coloured.palette is None:
            return np.take(table, coloured.values)
        return np.take(np.take(table, coloured.palette), coloured.values)

    def target(self, codes: NDArray[np.signedinteger]) -> NDArray[Any]:
        """The targets themselves, uint8 up to 255 classes and int32 above."""
        if self.void != 255:
            return codes - np.int32(1)
        target = codes.astype(np.uint8)  # void, 256, becomes 0
        target -= 1
        return target


@lru_cache(maxsize=16)
def _table(values: tuple[int, ...], codes: tuple[int, ...], of_type: str, dtype: str) -> NDArray[np.signedinteger]:
    """The code of each bit pattern of a type of 8 or 16 bits."""
    limits = np.iinfo(of_type)
    table = np.zeros(1 << limits.bits, dtype)
    for value, code in zip(values, codes, strict=True):
        if limits.min <= value <= limits.max:
            table[value % len(table)] = code
    return table


@lru_cache(maxsize=4)
def _colour_table(values: tuple[int, ...], codes: tuple[int, ...], dtype: str) -> NDArray[np.signedinteger]:
    """The code of each colour; pages of memory without a colour are never allocated."""
    table = np.zeros(COLOURS, dtype)
    table[list(values)] = codes
    return table
