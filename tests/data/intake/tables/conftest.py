"""Folders of small images with a table beside them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

Photos = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    """Writes images of these names, 24x32 pixels, into a folder, and returns that."""

    def write(names: Iterable[str], root: Path = tmp_path / "mine") -> Path:
        stream = io.BytesIO()
        Image.new("RGB", (32, 24), (9, 99, 199)).save(stream, "PNG")
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(stream.getvalue())
        return root

    return write


@pytest.fixture
def twelve(photos: Photos) -> Path:
    """A folder of twelve images, `00.png` to `11.png`."""
    return photos(f"{number:02d}.png" for number in range(12))
