"""A folder of images with a manifest, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = (8, 12)
TASKS = {
    "breed": {"kind": "classification", "classes": ["cat", "dog"]},
    "tags": {"kind": "multi-label", "labels": ["indoor", "sunny", "wet"]},
    "grade": {"kind": "ordinal", "classes": ["low", "mid", "high"]},
    "age": {"kind": "regression", "range": [0, 100], "unit": "years"},
    "segmentation": {"kind": "segmentation", "classes": ["floor", "wall"], "void": 255},
    "depth": {"kind": "depth"},
    "normals": {"kind": "normals"},
}
HEADER = ",".join(["image", "split", "group", *TASKS])
ROWS = (
    "a.png,train,anna,cat,indoor;wet,low,1.5,labels/a.png,depth/a.png,normals/a.npy",
    "b.png,train,anna,dog,-,mid,,labels/b.png,depth/b.npy,normals/b.png",
    "c.png,val,bert,,sunny,,99,,,",
    "d.png,test,cleo,dog,,high,100,labels/a.png,,",
    "e.png,test,cleo,,,,,,,",
)


@pytest.fixture
def tasks() -> dict[str, object]:
    """A task of each kind."""
    return dict(TASKS)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Five images of 8x12 pixels, the last without a label, with maps in every form that can be given."""
    for folder in ("labels", "depth", "normals"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate("abcde"):
        Image.new("RGB", SIZE[::-1], (number, 0, 0)).save(tmp_path / f"{name}.png")
    ids = (np.arange(96).reshape(SIZE) % 2).astype(np.uint8)
    ids[0] = 255
    Image.fromarray(ids).save(tmp_path / "labels/a.png")
    coloured = Image.fromarray(1 - np.minimum(ids, 1)).convert("P")
    coloured.putpalette(bytes(range(255, -1, -1)) * 3)
    coloured.putdata((1 - np.minimum(ids, 1)).flatten().tolist())
    coloured.save(tmp_path / "labels/b.png")
    millimetres = np.arange(96, dtype=np.uint16).reshape(SIZE) * np.uint16(600)
    Image.fromarray(millimetres).save(tmp_path / "depth/a.png")
    np.save(tmp_path / "depth/b.npy", millimetres / 1000)
    towards = np.zeros((*SIZE, 3), np.float32)
    towards[1:, :, 2] = 1
    np.save(tmp_path / "normals/a.npy", towards)
    Image.fromarray(((towards + 1) * 127.5).astype(np.uint8)).save(tmp_path / "normals/b.png")
    write(tmp_path, ROWS)
    return tmp_path


def write(root: Path, rows: Sequence[str], header: str = HEADER) -> Path:
    path = root / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def write_rows(own: Path) -> Callable[..., Path]:
    """Writes another manifest into `own`."""
    return lambda rows, header=HEADER: write(own, rows, header)
