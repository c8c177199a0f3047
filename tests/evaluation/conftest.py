"""A folder of photos of several sizes with labels of four kinds, and runs of moments on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.recipe.load import load_recipe
from afanet.runs.run import Run
from afanet.training.run import train

DECLARED: dict[str, Any] = {
    "seg": {"kind": "segmentation", "classes": ["wall", "floor", "bed"]},
    "depth": {"kind": "depth"},
    "size": {"kind": "classification", "classes": ["wide", "tall"]},
    "level": {"kind": "regression", "range": [0, 255], "unit": "greys"},
}
SHAPES = [(30, 44), (52, 36), (24, 32), (41, 41)]
SPLITS = ("train",) * 6 + ("val",) * 3 + ("test",) * 4


def write_folder(root: Path, splits: tuple[str, ...] = SPLITS, first: int = 0) -> Path:
    """Photos from number `first` on, one for each of the splits, with unlabelled pixels and one label missing."""
    root.mkdir()
    lines = ["image,split,seg,depth,size,level"]
    for number, split in enumerate(splits, start=first):
        rng = np.random.default_rng(number)
        height, width = SHAPES[number % len(SHAPES)]
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        ids = rng.integers(0, 3, (height, width), np.uint8)
        ids[rng.random(ids.shape) < 0.1] = 255
        depth = rng.uniform(0.5, 4, ids.shape).astype(np.float32)
        depth[rng.random(ids.shape) < 0.1] = 0
        Image.fromarray(pixels).save(root / f"{number}.png")
        Image.fromarray(ids).save(root / f"{number}-ids.png")
        np.save(root / f"{number}.npy", depth)
        depth_cell = "" if number == 10 else f"{number}.npy"
        size = "wide" if number % 2 else "tall"
        lines.append(f"{number}.png,{split},{number}-ids.png,{depth_cell},{size},{pixels.mean():.1f}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def run_on(tiny: None, tmp_path: Path) -> Callable[..., Run]:
    """Trains one epoch on a folder, with overrides of the recipe."""

    def made(root: Path, **overrides: Any) -> Run:
        keys = {
            "data.name": "manifest",
            "data.root": root,
            "data.size": [24, 32],
            "data.options": {"tasks": DECLARED},
            "epochs": 1,
            "batch_size": 3,
            "workers": 0,
            "device": "cpu",
            "precision": "float32",
        }
        return train(load_recipe("rooms", keys | overrides), tmp_path / f"run{len(list(tmp_path.glob('run*')))}")

    return made
