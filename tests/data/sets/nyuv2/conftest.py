"""Small data sets in the layouts of NYUD_MT and MTAN: corners of rooms whose depth and normals are exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.sets.nyuv2.frames import CAMERA, CAMERA_SIZE

SIZE = (24, 32)
# Floor, side wall and back wall: normal in camera axes x right, y down, z away, and distance from the camera.
PLANES = [((0.0, -0.98, -0.199), 1.2), ((0.8, 0.0, -0.6), 2.2), ((-0.28, 0.0, -0.96), 3.4)]


def corner(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W) and unit normals (H, W, 3) in our axes, seen by the official camera; `index` moves the walls."""
    camera = CAMERA.resized(CAMERA_SIZE, SIZE)
    u = (np.arange(SIZE[1]) + 0.5 - camera.cx) / camera.fx
    v = (np.arange(SIZE[0]) + 0.5 - camera.cy) / camera.fy
    rays = np.stack([*np.meshgrid(u, v), np.ones(SIZE)], axis=2)
    normals = np.array([np.divide(normal, np.linalg.norm(normal)) for normal, _ in PLANES])
    towards = -(rays @ normals.T)
    distances = np.array([distance for _, distance in PLANES]) + 0.2 * index
    depth = np.where(towards > 0, distances / np.where(towards > 0, towards, 1), np.inf)
    return depth.min(axis=2), normals[depth.argmin(axis=2)] * [1, -1, -1]


@pytest.fixture
def nyud_mt(tmp_path: Path) -> Path:
    """Three frames for training and one for testing; labels 0..40; normals with x right, y down, z away."""
    root = tmp_path / "NYUD_MT"
    for folder in ("images", "segmentation", "depth", "normals", "gt_sets"):
        (root / folder).mkdir(parents=True)
    for index in range(1, 5):
        depth, normals = corner(index)
        Image.new("RGB", SIZE[::-1], (50 * index, 0, 0)).save(root / f"images/{index:04d}.jpg")
        labels = (np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) + index) % 41
        Image.fromarray(labels.astype(np.uint8)).save(root / f"segmentation/{index:04d}.png")
        np.save(root / f"depth/{index:04d}.npy", depth.astype(np.float32))
        np.save(root / f"normals/{index:04d}.npy", (normals * [1, -1, -1]).astype(np.float32))
    (root / "gt_sets/train.txt").write_text("0001\n0003\n0004\n")
    (root / "gt_sets/val.txt").write_text("0002\n")
    return root


@pytest.fixture
def mtan(tmp_path: Path) -> Path:
    """Three frames for training and one for testing; labels -1..12; normals with their axes swapped and mirrored."""
    root = tmp_path / "mtan"
    for split, count in (("train", 3), ("val", 1)):
        for folder in ("image", "label", "depth", "normal"):
            (root / split / folder).mkdir(parents=True)
        for number in range(count):
            depth, normals = corner(number)
            image = np.full((*SIZE, 3), (number + 1) / 51)
            labels = (np.arange(SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE) + number) % 14 - 1
            arrays = {"image": image, "label": labels, "depth": depth[..., None], "normal": -normals[..., [0, 2, 1]]}
            for folder, values in arrays.items():
                np.save(root / split / folder / f"{number}.npy", values)
    return root
