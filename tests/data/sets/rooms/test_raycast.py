from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from afanet.data.sets.rooms.furniture import furnish
from afanet.data.sets.rooms.raycast import FOCAL, Camera, Scene, render

SIZE = (48, 64)


def by_faces(scene: Scene, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and depth in float64 from planes one by one: meet a plane, see whether the point lies in the face."""
    height, width = size
    turn = Rotation.from_euler("YX", [scene.camera.yaw, -scene.camera.pitch])
    rows, columns = np.mgrid[:height, :width] + 0.5
    in_camera = np.stack([columns - width / 2, height / 2 - rows, np.full(size, FOCAL * width)], -1) / (FOCAL * width)
    rays = turn.apply(in_camera.reshape(-1, 3))
    eye = np.array(scene.camera.position)
    depth, labels = np.full(len(rays), np.inf), np.full(len(rays), -1)

    def offer(distance: np.ndarray, valid: np.ndarray, label: int) -> None:
        nearer = valid & (distance > 0) & (distance < depth)
        depth[nearer], labels[nearer] = distance[nearer], label

    shell = {0: scene.shell[2][0], 1: None, 2: scene.shell[2][0]}
    solids = [(np.zeros(3), np.array(scene.room), None)] + [
        (np.array(b.low), np.array(b.high), b.label) for b in scene.boxes
    ]
    for low, high, label in solids:
        for axis in range(3):
            for end in (low, high):
                distance = (end[axis] - eye[axis]) / rays[:, axis]
                point = eye + distance[:, None] * rays
                others = [other for other in range(3) if other != axis]
                valid = ((point >= low - 1e-12) & (point <= high + 1e-12))[:, others].all(1)
                kind = label if label is not None else shell[axis]
                if kind is None:
                    kind = scene.shell[0][0] if end is low else scene.shell[1][0]
                offer(distance, valid, kind)
    for ray in range(len(rays)):
        offset = eye - scene.lamp.centre
        roots = np.roots([rays[ray] @ rays[ray], 2 * rays[ray] @ offset, offset @ offset - scene.lamp.radius**2])
        if np.isreal(roots).all() and 0 < roots.real.min() < depth[ray]:
            depth[ray], labels[ray] = roots.real.min(), scene.lamp.label
    return labels.reshape(size), depth.reshape(size)


@pytest.mark.parametrize("seed", range(8))
def test_labels_and_depth_equal_an_analytic_solution(seed):
    scene = furnish(np.random.default_rng(seed))
    view = render(scene, SIZE)
    labels, depth = by_faces(scene, SIZE)
    same = view.labels == labels
    assert same.mean() > 0.999  # a ray that grazes an edge may fall on either side
    np.testing.assert_allclose(view.depth[same], depth[same], rtol=2e-5, atol=2e-5)
    assert len(np.unique(labels)) >= 3


def test_depth_is_along_the_axis_not_along_the_ray():
    scene = furnish(np.random.default_rng(0))._replace(boxes=[], camera=Camera((2.0, 1.3, 0.5), yaw=0.0, pitch=0.0))
    view = render(scene, SIZE)
    far = (view.labels == scene.shell[2][0]) & (view.depth > scene.room[2] - 0.5 - 1e-3)
    assert far.sum() > 50
    np.testing.assert_allclose(view.depth[far], scene.room[2] - 0.5, rtol=1e-6)  # the far wall is one depth all over


def test_camera_axes_are_a_rotation_that_looks_where_it_should():
    axes = Camera((0, 0, 0), yaw=0.4, pitch=-0.2).axes()
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    right, down, forward = axes
    np.testing.assert_allclose(np.cross(down, forward), -right, atol=1e-12)  # y is up in a left-handed world
    assert forward[0] > 0 > forward[1]
    assert down[1] < 0
