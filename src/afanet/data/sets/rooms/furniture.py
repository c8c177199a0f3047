"""Random rooms: walls, lamp, camera and furniture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from afanet.data.sets.rooms.raycast import Ball, Box, Camera, Scene
from afanet.data.sets.rooms.shading import Material, Vector

CLASSES = ("floor", "ceiling", "wall", "window", "picture", "table", "cabinet", "lamp")
FLOOR, CEILING, WALL, WINDOW, PICTURE, TABLE, CABINET, LAMP = range(len(CLASSES))

Solid = tuple[Sequence[float], Sequence[float]]


def furnish(rng: Generator) -> Scene:
    """A room of 3.2 to 5.5 by 4 to 6.5 metres, seen from its near end.

    Every class may have any colour; classes differ in shape, position, light and pattern.

    >>> scene = furnish(np.random.default_rng(0))
    >>> {box.label for box in scene.boxes} <= {WINDOW, PICTURE, TABLE, CABINET}
    True
    """
    width, height, length = room = (rng.uniform(3.2, 5.5), rng.uniform(2.4, 3.0), rng.uniform(4.0, 6.5))
    eye = (rng.uniform(0.3, 0.7) * width, rng.uniform(1.2, 1.7), rng.uniform(0.2, 0.6))
    aim = np.arctan2(width / 2 - eye[0], length - eye[2])  # the middle of the far wall
    camera = Camera(eye, yaw=aim + rng.uniform(-0.5, 0.5), pitch=rng.uniform(-0.3, 0.05))
    hanging = (rng.uniform(0.25, 0.75) * width, height - rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.7) * length)
    lamp = Ball(hanging, rng.uniform(0.1, 0.2), LAMP, Material(_colour(rng, 0.9), (1, 1, 1), grain=0, glow=1.1))
    taken: list[Solid] = [_around(eye, 0.7), _around(hanging, 0.4)]
    boxes: list[Box] = []
    for make, tries in ((_table, 3), (_cabinet, 4), (_window, 2), (_picture, 4)):
        for _ in range(rng.integers(1, tries + 1)):
            parts = make(rng, room)
            hull = _hull(parts)
            if not any(_overlap(hull, solid) for solid in taken):
                taken.append(hull)
                boxes += parts
    return Scene(room, _shell(rng), boxes, lamp, camera)


def _shell(rng: Generator) -> tuple[tuple[int, Material], tuple[int, Material], tuple[int, Material]]:
    planks = Material(_colour(rng), _colour(rng, 0.3), (rng.uniform(0.1, 0.2), 2.0), 0.012, 0.15, (1, 12), grain=0.12)
    side = rng.uniform(0.25, 0.5)
    tiles = Material(_colour(rng), _colour(rng), (side, side), 0.015, rng.choice([0.0, 0.6]), grain=0.06)
    paper = Material(
        _colour(rng, 0.8), _colour(rng, 0.6), (rng.uniform(0.15, 0.4), 9.0), check=rng.choice([0.0, 0.35]), grain=0.04
    )
    plaster = Material(_colour(rng, 0.9), (1, 1, 1), stretch=(3, 3), grain=0.03)
    return (FLOOR, planks if rng.random() < 0.5 else tiles), (CEILING, plaster), (WALL, paper)


def _table(rng: Generator, room: Vector) -> list[Box]:
    """A board on four legs, anywhere on the floor."""
    across, height, along = rng.uniform(0.7, 1.6), rng.uniform(0.5, 0.8), rng.uniform(0.6, 1.2)
    x, z = rng.uniform(0.1, room[0] - across - 0.1), rng.uniform(1.2, room[2] - along - 0.1)
    wood = Material(_colour(rng), _colour(rng), stretch=(12, 1.5), grain=0.15)
    leg, board = 0.07, 0.06
    top = Box((x, height - board, z), (x + across, height, z + along), TABLE, wood)
    feet = [(x + i * (across - leg), z + k * (along - leg)) for i in (0, 1) for k in (0, 1)]
    return [top, *(Box((a, 0, b), (a + leg, height - board, b + leg), TABLE, wood) for a, b in feet)]


def _cabinet(rng: Generator, room: Vector) -> list[Box]:
    """A chest with its back to a wall, its front divided into doors or drawers."""
    width, height = rng.uniform(0.6, 1.6), rng.uniform(0.7, 2.1)
    doors = (width / rng.integers(1, 4), height / rng.integers(1, 5))
    wood = Material(_colour(rng), _colour(rng, 0.15), doors, line=0.04, stretch=(1.5, 12), grain=0.12)
    return [_at_wall(rng, room, (width, height, rng.uniform(0.35, 0.6)), 0.0, CABINET, wood)]


def _window(rng: Generator, room: Vector) -> list[Box]:
    """A frame with four panes of bright sky."""
    width, height = rng.uniform(0.8, 1.6), rng.uniform(0.9, 1.3)
    panes = Material(_colour(rng, 0.95), _colour(rng, 0.6), (width / 2, height / 2), 0.1, grain=0.06, glow=1.0)
    return [_at_wall(rng, room, (width, height, 0.05), rng.uniform(0.8, 1.0), WINDOW, panes)]


def _picture(rng: Generator, room: Vector) -> list[Box]:
    """A framed canvas with strong blotches."""
    width, height = rng.uniform(0.4, 1.1), rng.uniform(0.4, 0.8)
    canvas = Material(_colour(rng), _colour(rng, 0.3), (width, height), 0.09, 0.0, (3, 3), grain=0.6)
    return [_at_wall(rng, room, (width, height, 0.03), rng.uniform(1.2, 1.5), PICTURE, canvas)]


def _at_wall(rng: Generator, room: Vector, size: Vector, bottom: float, label: int, material: Material) -> Box:
    """A box of `size` = (along the wall, up, out of the wall) at the left, the right or the far wall."""
    along, up, out = size
    wall = rng.integers(3)
    span = room[0] if wall == 2 else room[2]
    start = rng.uniform(0.02 if wall == 2 else 1.0, span - along - 0.02)
    top = min(bottom + up, room[1] - 0.05)
    if wall == 2:
        return Box((start, bottom, room[2] - out), (start + along, top, room[2]), label, material)
    left = 0.0 if wall == 0 else room[0] - out
    return Box((left, bottom, start), (left + out, top, start + along), label, material)


def _colour(rng: Generator, brightest: float = 0.7) -> Vector:
    """Any hue, rarely vivid, up to one and a half times as dark as `brightest`."""
    return colorsys.hsv_to_rgb(rng.random(), 0.6 * rng.random() ** 1.5, brightest * rng.uniform(0.65, 1.0))


def _hull(parts: list[Box]) -> Solid:
    """The box around these parts, with a small margin."""
    low, high = np.min([part.low for part in parts], axis=0), np.max([part.high for part in parts], axis=0)
    return (low - 0.05).tolist(), (high + 0.05).tolist()


def _around(point: Vector, reach: float) -> Solid:
    return (point[0] - reach, 0, point[2] - reach), (point[0] + reach, 3, point[2] + reach)


def _overlap(first: Solid, second: Solid) -> bool:
    return all(a < d and c < b for a, b, c, d in zip(*first, *second, strict=True))
