"""A small ray caster: a room of boxes and a lamp, seen by a pinhole camera, with exact labels and depth.

World axes are x right, y up, z forward, in metres. Rays advance one metre along the camera's axis per unit of their
parameter, so the parameter at the first hit is the metric depth itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.rooms.shading import Floats, Material, Vector, albedo, light

FOCAL = 0.866  # in image widths: 60 degrees from the left to the right edge


class Box(NamedTuple):
    """A solid with faces along the world's axes, from corner `low` to corner `high`."""

    low: Vector
    high: Vector
    label: int
    material: Material


class Ball(NamedTuple):
    """A sphere; as the scene's lamp, it shines from its centre."""

    centre: Vector
    radius: float
    label: int
    material: Material


class Camera(NamedTuple):
    """A pinhole at `position`, turned by `yaw` to the right, then by `pitch` upwards (radians)."""

    position: Vector
    yaw: float
    pitch: float

    def axes(self) -> NDArray[np.float64]:
        """(3, 3): rows are the camera's right, down and forward in the world."""
        (sin_yaw, sin_pitch), (cos_yaw, cos_pitch) = (f([self.yaw, self.pitch]) for f in (np.sin, np.cos))
        return np.array(
            [
                [cos_yaw, 0.0, -sin_yaw],
                [sin_pitch * sin_yaw, -cos_pitch, sin_pitch * cos_yaw],
                [cos_pitch * sin_yaw, sin_pitch, cos_pitch * cos_yaw],
            ]
        )


class Scene(NamedTuple):
    """A room from the origin to `room`, seen from within; `shell` is (label, material) of floor, ceiling and walls."""

    room: Vector
    shell: tuple[tuple[int, Material], tuple[int, Material], tuple[int, Material]]
    boxes: list[Box]
    lamp: Ball
    camera: Camera


class View(NamedTuple):
    """What the camera sees: image uint8 (H, W, 3), labels uint8 (H, W), depth float32 (H, W) in metres.

    `normals` are float32 (3, H, W) in the camera's axes: x to the right, y up, z towards the camera.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth: Floats
    normals: Floats


def render(scene: Scene, size: tuple[int, int]) -> View:
    """Cast one ray through the centre of each of `size` = (H, W) pixels and shade the nearest surface.

    >>> grey = Material((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    >>> lamp = Ball((2.0, 2.4, 1.0), 0.1, 3, grey)
    >>> camera = Camera((2.0, 1.5, 1.0), yaw=0.0, pitch=0.0)
    >>> view = render(Scene((4.0, 2.5, 6.0), ((0, grey), (1, grey), (2, grey)), [], lamp, camera), (9, 9))
    >>> float(view.depth[4, 4]), int(view.labels[4, 4])  # the far wall is 6 - 1 metres away
    (5.0, 2)
    >>> view.normals[:, 4, 4].tolist() == [0, 0, 1]  # and faces the camera
    True
    """
    rays = _rays(scene.camera, size)
    depth, axis, thing = _first_hits(scene, rays)
    points = _column(scene.camera.position) + depth * rays
    things: list[Box | Ball] = [*scene.boxes, scene.lamp]
    labels = [label for label, _ in scene.shell] + [x.label for x in things]
    materials = [material for _, material in scene.shell] + [x.material for x in things]
    origins = [(0.0, 0.0, 0.0)] * 3 + [box.low for box in scene.boxes] + [scene.lamp.centre]
    glow = np.array([material.glow for material in materials], np.float32)[thing]
    arriving = light(scene.lamp.centre, [(box.low, box.high) for box in scene.boxes], rays, points, axis)
    colour = albedo(points, axis, thing, materials, origins) * np.maximum(arriving, glow)
    image = np.sqrt(np.minimum(colour, 1)) * 255  # gamma 2
    normals = _normals(scene, rays, points, axis, on_lamp=thing == len(materials) - 1)
    return View(image.transpose(1, 2, 0).astype(np.uint8), np.array(labels, np.uint8)[thing], depth, normals)


def _normals(scene: Scene, rays: Floats, points: Floats, axis: NDArray[np.int8], on_lamp: NDArray[np.bool_]) -> Floats:
    """The normals: flat surfaces face the rays, along their axis; the lamp's normals point away from its centre."""
    against = -np.sign(np.take_along_axis(rays, axis[None].astype(np.intp), 0))
    world = np.where(np.arange(3)[:, None, None] == axis, against, 0)
    world[:, on_lamp] = ((points - _column(scene.lamp.centre)) / scene.lamp.radius)[:, on_lamp]
    seen: Floats = np.tensordot(scene.camera.axes().astype(np.float32), world, 1) * _column([1, -1, -1])
    return seen


def _column(vector: Any) -> Floats:
    return np.asarray(vector, np.float32)[:, None, None]


def _rays(camera: Camera, size: tuple[int, int]) -> Floats:
    """(3, H, W): the world direction through each pixel, of length 1 along the camera's axis."""
    height, width = size
    across = ((np.arange(width) + 0.5 - width / 2) / (FOCAL * width)).astype(np.float32)
    down = ((np.arange(height) + 0.5 - height / 2) / (FOCAL * width)).astype(np.float32)
    right, below, forward = (_column(axis) for axis in camera.axes())
    rays = right * across + below * down[:, None] + forward
    rays[rays == 0] = 1e-9  # so that there is no division by zero
    return rays


def _first_hits(scene: Scene, rays: Floats) -> tuple[Floats, NDArray[np.int8], NDArray[np.intp]]:
    """Depth of the nearest surface, the axis of its normal, and which thing it is: shell 0..2, boxes, the lamp."""
    eye = _column(scene.camera.position)
    inverse = 1 / rays
    walls = (np.where(rays > 0, _column(scene.room), 0) - eye) * inverse
    axis = (walls[1] < walls[0]).astype(np.int8)
    depth = np.minimum(walls[0], walls[1])
    axis[walls[2] < depth] = 2
    depth = np.minimum(depth, walls[2])
    thing = np.where(axis == 1, rays[1] > 0, 2).astype(np.intp)
    for number, (box, part) in enumerate(zip(scene.boxes, _parts(scene, rays.shape[1:]), strict=True), start=3):
        corner = (slice(None), *part)
        first, second = (_column(box.low) - eye) * inverse[corner], (_column(box.high) - eye) * inverse[corner]
        enter, leave = np.minimum(first, second), np.maximum(first, second)
        near = enter.max(axis=0)
        seen = (near < leave.min(axis=0)) & (near > 0) & (near < depth[part])
        np.copyto(depth[part], near, where=seen)
        np.copyto(axis[part], enter.argmax(axis=0).astype(np.int8), where=seen)
        thing[part][seen] = number
    _hit_lamp(scene, rays, depth, thing)
    return depth, axis, thing


def _parts(scene: Scene, size: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """For each box, the part of the image that contains it, so that few rays are tested."""
    height, width = size
    ends = np.array([[box.low, box.high] for box in scene.boxes]).reshape(-1, 2, 3)
    corners = np.stack([ends[:, [i, j, k], [0, 1, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)], axis=1)
    across, down, ahead = np.moveaxis((corners - scene.camera.position) @ scene.camera.axes().T, 2, 0)
    whole = ahead.min(axis=1) < 0.05  # a corner beside or behind the camera has no position in the image
    ahead = np.maximum(ahead, 0.05)
    columns = across / ahead * FOCAL * width + width / 2
    rows = down / ahead * FOCAL * width + height / 2
    spans = np.stack([rows.min(1), rows.max(1) + 1, columns.min(1), columns.max(1) + 1], axis=1)
    spans[whole] = (0, height, 0, width)
    edges = np.clip(spans, 0, [height, height, width, width]).astype(int).tolist()
    return [(slice(top, bottom), slice(left, right)) for top, bottom, left, right in edges]


def _hit_lamp(scene: Scene, rays: Floats, depth: Floats, thing: NDArray[np.intp]) -> None:
    offset = np.subtract(scene.lamp.centre, scene.camera.position).astype(np.float32)
    along = np.tensordot(offset, rays, 1)
    square = (rays * rays).sum(axis=0)
    inside = along**2 - square * np.float32(offset @ offset - scene.lamp.radius**2)
    near = (along - np.sqrt(np.maximum(inside, 0))) / square
    seen = (inside > 0) & (near > 0) & (near < depth)
    depth[seen] = near[seen]
    thing[seen] = len(scene.boxes) + 3
