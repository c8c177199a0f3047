from __future__ import annotations

import numpy as np

from afanet.data.sets.rooms.shading import AMBIENT, Material, albedo, light


def floor(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a floor, rays that see them from above, and their normals' axis."""
    points = np.stack([x, np.zeros_like(x), z]).astype(np.float32)
    return points, np.broadcast_to(np.float32([[[0]], [[-1]], [[1]]]), points.shape), np.ones(x.shape, np.int8)


def test_light_falls_off_and_a_solid_throws_a_shadow():
    z, x = np.mgrid[0:4:41j, 0:4:41j]
    points, rays, axis = floor(x, z)
    lamp, board = (2.0, 2.0, 2.0), ((1.5, 0.9, 1.5), (2.5, 1.0, 2.5))
    free, shaded = light(lamp, [], rays, points, axis), light(lamp, [board], rays, points, axis)
    assert free.argmax() == np.ravel_multi_index((20, 20), free.shape)  # straight below the lamp
    assert free.min() > AMBIENT
    # A board of 1 m, its top half way up, throws a shadow of 2 m.
    within = (abs(x - 2) < 0.99) & (abs(z - 2) < 0.99)
    beyond = (abs(x - 2) > 1.01) | (abs(z - 2) > 1.01)
    assert (shaded[within] == np.float32(AMBIENT)).all()
    np.testing.assert_array_equal(shaded[beyond], free[beyond])


def test_a_checked_material_shows_both_colours_in_cells_of_its_size():
    z, x = np.mgrid[0.05:2:20j, 0.05:2:20j]
    points, _, axis = floor(x, z)
    material = Material((0.2, 0.2, 0.2), (0.8, 0.4, 0.6), cell=(0.5, 1.0), check=1.0, grain=0.0)
    colours = albedo(points, axis, np.zeros(x.shape, np.intp), [material], [(0.0, 0.0, 0.0)])
    odd = (np.floor(x / 0.5) + np.floor(z / 1.0)) % 2 == 1
    np.testing.assert_allclose(colours[:, odd].T - (0.8, 0.4, 0.6), 0, atol=1e-6)
    np.testing.assert_allclose(colours[:, ~odd], 0.2, atol=1e-6)
