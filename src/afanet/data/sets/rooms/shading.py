"""The look of the generated rooms: surfaces with cells, lines and grain, under a lamp that casts shadows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Vector = tuple[float, float, float]

AMBIENT = 0.4
GRAIN_TEXEL = 0.02  # metres


class Material(NamedTuple):
    """How a surface looks: cells of two colours with lines between, over a grain.

    `cell` is a cell's extent in metres across and up a face (on floors: in x and in z), `line` the lines' width in
    metres, `check` how far the colour of every other cell moves towards `second`, `stretch` the size of the grain
    across and up, `grain` its strength, `glow` the least light in which the surface is seen.
    """

    colour: Vector
    second: Vector
    cell: tuple[float, float] = (1.0, 1.0)
    line: float = 0.0
    check: float = 0.0
    stretch: tuple[float, float] = (1.0, 1.0)
    grain: float = 0.05
    glow: float = 0.0


def light(
    lamp: Vector, solids: Sequence[tuple[Vector, Vector]], rays: Floats, points: Floats, axis: NDArray[np.int8]
) -> Floats:
    """(H, W): ambient light plus the lamp's, by cosine and distance, where none of the `solids` blocks it.

    `points` (3, H, W) are lit from `lamp`; their normals are along `axis` and point against `rays`.
    """
    to_lamp = np.asarray(lamp, np.float32)[:, None, None] - points
    side = axis[None]
    facing = -np.take_along_axis(to_lamp, side, 0)[0] * np.sign(np.take_along_axis(rays, side, 0)[0])
    square = (to_lamp * to_lamp).sum(axis=0)
    arriving = np.maximum(facing, 0) / np.sqrt(square) * (6 / (4 + square))
    to_lamp[to_lamp == 0] = 1e-9  # so that there is no division by zero
    inverse = 1 / to_lamp
    for low, high in solids:
        first, second = ((np.asarray(end, np.float32)[:, None, None] - points) * inverse for end in (low, high))
        enter, leave = np.minimum(first, second).max(axis=0), np.maximum(first, second).min(axis=0)
        arriving[(enter < leave) & (enter > 1e-3) & (enter < 1)] = 0
    return np.asarray(AMBIENT + arriving)


def albedo(
    points: Floats,
    axis: NDArray[np.int8],
    thing: NDArray[np.intp],
    materials: Sequence[Material],
    origins: Sequence[Vector],
) -> Floats:
    """(3, H, W): the surfaces' own colours at `points`, whose patterns start at the `origins` of their things."""

    def field(values: Any) -> Floats:
        return np.take(np.array(values, np.float32).T, thing, axis=-1)

    local = points - field(origins)
    face = np.stack([np.where(axis == 0, local[2], local[0]), np.where(axis == 1, local[2], local[1])])
    size = field([material.cell for material in materials])
    cells = face / size
    whole = np.floor(cells)
    part = cells - whole
    line = 2 * (np.minimum(part, 1 - part) * size).min(axis=0) < field([material.line for material in materials])
    odd = (whole[0] + whole[1]) % 2
    lean = np.maximum(line, field([material.check for material in materials]) * odd)
    texel = (face / (GRAIN_TEXEL * field([material.stretch for material in materials]))).astype(np.int32) % 256
    grain = 1 + field([material.grain for material in materials]) * _noise()[texel[1], texel[0]]
    first, second = (field([getattr(material, name) for material in materials]) for name in ("colour", "second"))
    return np.asarray(np.maximum((first + lean * (second - first)) * grain, 0))


@cache
def _noise() -> Floats:
    """(256, 256): noise that tiles, stronger at low frequencies, of unit variance."""
    white = np.fft.rfft2(np.random.default_rng(0).standard_normal((256, 256)))
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    noise: Floats = np.fft.irfft2(white / np.maximum(frequency, 1 / 64) ** 0.8).astype(np.float32)
    return np.asarray(noise / noise.std(), np.float32)
