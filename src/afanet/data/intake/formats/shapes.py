"""Turns shapes into pixels: polygons, and runs of pixels that are outside and inside in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]
BY_COLUMN, BY_ROW = "F", "C"  # the order in which runs pass over pixels
FARTHEST = 1e7  # largest coordinate, in pixels
NO_NUMBER = f"polygons with a coordinate that is not a number, or beyond {FARTHEST:,.0f}"


class ShapeError(ValueError):
    """A shape that cannot be drawn; the text names such shapes in the plural."""


def read_ring(values: Any) -> NDArray[np.float64]:
    """Points (N, 2) in pixels from a list x, y, x, y, ...; raises `ShapeError` for anything else."""
    try:
        ring = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ShapeError(NO_NUMBER) from None
    if ring.ndim != 1:
        raise ShapeError("polygons that are not a list of numbers")
    if len(ring) % 2:
        raise ShapeError("polygons with an odd count of numbers")
    if not np.isfinite(ring).all() or (np.abs(ring) > FARTHEST).any():
        raise ShapeError(NO_NUMBER)
    return ring.reshape(-1, 2)


def area_of(ring: NDArray[np.float64]) -> float:
    """The area within a ring of points (N, 2)."""
    x, y = (ring[1:] - ring[0]).T
    return float(abs(x[:-1] @ y[1:] - y[:-1] @ x[1:]) / 2)


def draw_ring(mask: NDArray[Any], ring: NDArray[np.float64], value: int) -> None:
    """Set the pixels of `mask` (H, W) within a ring of points (N, 2), with the pixels that COCO's own tools choose.

    Pixel 0 reaches from coordinate 0 to 1. Parts outside the mask are cut off.
    """
    from pycocotools.mask import decode, frPyObjects

    height, width = mask.shape
    if (ring < [-width, -height]).any() or (ring > [2 * width, 2 * height]).any():
        ring = _near(ring, width, height)  # time and memory grow with the length of lines
    if len(ring) < 3:
        return
    right, bottom = (min(side, int(end) + 1) for side, end in zip((width, height), np.ceil(ring.max(0)), strict=True))
    if right > 0 and bottom > 0:  # the frame ends with the polygon, but begins at 0, which decides rounding
        inside = decode(frPyObjects([ring.flatten().tolist()], bottom, right)[0])
        mask[:bottom, :right][inside.astype(bool)] = value


def _near(ring: NDArray[np.float64], width: int, height: int) -> NDArray[np.float64]:
    """The part of a ring that is at most a picture's size away from the picture (Sutherland and Hodgman)."""
    for axis, sign, limit in ((0, 1, 2 * width), (0, -1, width), (1, 1, 2 * height), (1, -1, height)):
        kept: list[NDArray[np.float64]] = []
        for start, end in zip(np.roll(ring, 1, axis=0), ring, strict=True):
            before, after = limit - sign * start[axis], limit - sign * end[axis]  # not negative if within
            if (before < 0) != (after < 0):
                kept.append(start + (end - start) * before / (before - after))
            if after >= 0:
                kept.append(end)
        ring = np.array(kept).reshape(-1, 2)
    return ring


def draw_runs(mask: NDArray[Any], runs: Runs, box: tuple[int, int, int, int], order: str, value: int) -> None:
    """Set the pixels inside the `runs` over a box (top, left, height, width), which may reach beyond `mask`."""
    top, left, height, width = box
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape((height, width), order="F" if order == "F" else "C")
    rows, columns = max(0, -top), max(0, -left)
    part = mask[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    part[inside[rows : rows + part.shape[0], columns : columns + part.shape[1]]] = value


def check_runs(counts: Any, pixels: int) -> Runs:
    """Runs that add up to `pixels`; raises `ShapeError` for any others."""
    try:
        runs = np.array(counts)
    except (ValueError, OverflowError):
        raise ShapeError("run lengths that are not whole numbers") from None
    if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "iu"):
        raise ShapeError("run lengths that are not whole numbers")
    if runs.size and (runs.min() < 0 or runs.max() > pixels):
        raise ShapeError("run lengths that are negative or longer than the image")
    runs = runs.astype(np.int64)
    if runs.sum() != pixels:
        raise ShapeError("run lengths that do not add up to their number of pixels")
    return runs


def runs_of_text(text: str) -> list[int]:
    """Run lengths from COCO's compressed text: groups of 5 bits; from the third on, differences from two before.

    >>> runs_of_text("52203")
    [5, 2, 2, 2, 5]
    """
    signs = np.frombuffer(text.encode("latin-1", "replace"), np.uint8).astype(np.int64) - 48
    if not signs.size:
        return []
    last = np.flatnonzero(~signs & 0x20)  # a number ends with the group that announces no further one
    if (signs < 0).any() or (signs > 63).any() or not last.size or last[-1] != signs.size - 1:
        raise ShapeError("compressed run lengths that are cut or of other signs")
    lengths = np.diff(last, prepend=-1)
    if lengths.max() > 7:
        raise ShapeError("compressed run lengths that are far too long")
    starts = last - lengths + 1
    power = np.arange(signs.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((signs & 0x1F) << (5 * power), starts)
    values -= np.where(signs[last] & 0x10, 1 << (5 * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return [int(value) for value in values]


def runs_of_mask(mask: NDArray[np.bool_]) -> tuple[Runs, tuple[int, int, int, int]]:
    """A mask (H, W) as row-wise runs over the box (top, left, height, width) around its pixels; empty without any."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return np.zeros(0, np.int64), (0, 0, 0, 0)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    flat = np.concatenate([[False], part.flatten()])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], edges, [part.size]]))
    return runs, (int(rows[0]), int(columns[0]), part.shape[0], part.shape[1])
