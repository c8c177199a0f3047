"""Normals from depth against scenes whose normals are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data.normals import Pinhole, normals_from_depth
from afanet.data.sets.rooms.furniture import furnish
from afanet.data.sets.rooms.raycast import FOCAL, _first_hits, _rays
from afanet.data.transforms import DepthMap, Flip, NormalMap, Zoom
from afanet.framing import Box

CAMERA = Pinhole(30.0, 31.0, 16.0, 12.0)
OURS = np.array([1.0, -1.0, -1.0])  # from x right, y down, z away


def plane(normal: tuple[float, float, float], distance: float, size: tuple[int, int], camera: Pinhole) -> torch.Tensor:
    """Depth (H, W), in float64, of a plane whose unit `normal`, in our axes, looks at the camera."""
    u = (np.arange(size[1]) + 0.5 - camera.cx) / camera.fx
    v = (np.arange(size[0]) + 0.5 - camera.cy) / camera.fy
    rays = np.stack([*np.meshgrid(u, v), np.ones(size)])
    towards = np.einsum("i,ihw->hw", -np.asarray(normal) * OURS, rays)
    return torch.from_numpy(np.where(towards > 0.02, distance / np.maximum(towards, 0.02), 0))


def degrees(normals: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """The angles between two maps (3, H, W) where the first is known."""
    known = normals.norm(dim=0) > 0
    a, b = normals[:, known].double(), exact[:, known].double()
    return torch.atan2(torch.linalg.cross(a, b, dim=0).norm(dim=0), (a * b).sum(0)).rad2deg()


@settings(max_examples=25, deadline=None)
@given(
    tilt=st.floats(0, 75),
    about=st.floats(0, 360),
    distance=st.floats(0.3, 9),
    radius=st.integers(1, 3),
    step=st.integers(1, 2),
)
def test_normals_of_a_plane_are_exact_whatever_its_tilt(tilt, about, distance, radius, step) -> None:
    sin, cos = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))
    normal = (sin * np.cos(np.radians(about)), sin * np.sin(np.radians(about)), cos)
    normals = normals_from_depth(plane(normal, distance, (24, 32), CAMERA), CAMERA, radius, step, edge=0.5)
    assert normals.dtype == torch.float32
    assert (normals[:, 12, 16] != 0).any()
    assert degrees(normals, torch.tensor(normal)[:, None, None].expand(3, 24, 32)).max() < 0.02


def test_holes_and_lonely_pixels_have_no_normal_and_spoil_no_other() -> None:
    normal = (0.6, 0.0, 0.8)
    depth = plane(normal, 2.0, (24, 32), CAMERA)
    holes = torch.rand(24, 32, generator=torch.Generator().manual_seed(0)) < 0.4
    holes[:, 20:] = True
    holes[3, 28] = False
    depth[holes] = 0
    normals = normals_from_depth(depth, CAMERA)
    known = normals.norm(dim=0) > 0
    assert not known[holes].any()
    assert not known[3, 28]
    assert known[3:-3, 3:17][~holes[3:-3, 3:17]].all()
    assert degrees(normals, torch.tensor(normal)[:, None, None].expand(3, 24, 32)).max() < 0.02
    assert (normals_from_depth(torch.zeros(9, 9), CAMERA) == 0).all()


def test_nothing_is_mixed_across_a_step_in_depth() -> None:
    left, right = (0.6, 0.0, 0.8), (-0.6, 0.0, 0.8)
    columns = torch.arange(32) < 16
    depth = torch.where(columns, plane(left, 2.0, (24, 32), CAMERA), plane(right, 4.0, (24, 32), CAMERA))
    exact = torch.where(columns, torch.tensor(left)[:, None, None], torch.tensor(right)[:, None, None])
    normals = normals_from_depth(depth, CAMERA)
    assert degrees(normals, exact.expand(3, 24, 32)).max() < 0.02
    assert (normals.norm(dim=0) > 0)[3:-3, 13:19].all()


def test_normals_of_furnished_rooms_are_right_but_at_creases() -> None:
    size, angles, known = (144, 192), [], []
    camera = Pinhole(FOCAL * size[1], FOCAL * size[1], size[1] / 2, size[0] / 2)
    for index in range(4):
        scene = furnish(np.random.default_rng([0, 1, index]))
        rays = _rays(scene.camera, size)
        depth, axis, thing = _first_hits(scene, rays)
        side = axis[None].astype(np.int64)
        world = np.zeros_like(rays)
        np.put_along_axis(world, side, -np.sign(np.take_along_axis(rays, side, 0)), 0)
        exact = np.einsum("ij,jhw->ihw", scene.camera.axes(), world) * OURS[:, None, None]
        depth[thing == len(scene.boxes) + 3] = 0  # the lamp, a ball
        normals = normals_from_depth(torch.from_numpy(depth), camera, radius=3)
        angles.append(degrees(normals, torch.from_numpy(exact)))
        known.append((normals.norm(dim=0) > 0)[torch.from_numpy(depth > 0)])
    angle = torch.cat(angles)
    assert angle.median() < 0.05
    assert angle.mean() < 4
    assert (angle < 11.25).double().mean() > 0.9
    assert torch.cat(known).double().mean() > 0.99


@pytest.mark.parametrize("normal", [(0.48, 0.6, 0.64), (-0.6, 0.0, 0.8), (0.0, 0.8, 0.6)])
def test_zoomed_and_mirrored_normals_are_those_of_the_depth_zoomed_and_mirrored(normal) -> None:
    large = Pinhole(62.0, 60.0, 32.0, 24.0)
    depth = plane(normal, 2.0, (48, 64), large)
    exact = torch.tensor(normal, dtype=torch.float32)[:, None, None].expand(3, 48, 64)
    # The middle of the image pixel by pixel: at half the image's size, twice as large as the plain resize shows it.
    params = {"window": Box(12, 16, 24, 32), "filled": Box(0, 0, 24, 32), "scale": 2.0}
    maps = {"depth": DepthMap(depth[None].float()), "normals": NormalMap(exact)}
    seen = {name: Zoom((24, 32), 2.0).transform(value, params) for name, value in maps.items()}
    camera = large.resized((48, 64), (24, 32))
    for view in (seen, Flip(p=1)(seen)):
        from_depth = normals_from_depth(view["depth"].as_subclass(torch.Tensor)[0], camera)
        known = from_depth.norm(dim=0) > 0
        assert known.double().mean() > 0.9
        assert degrees(from_depth, view["normals"].as_subclass(torch.Tensor)).max() < 0.05
    turned = degrees(seen["normals"].as_subclass(torch.Tensor), exact[:, :24, :32])
    assert turned.min() > 5  # the zoom did turn them
