"""Folders of labels that nothing reads are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data.intake.init import init_manifest


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "labels.csv").write_text("file,kind\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n")
    return tmp_path


def masks(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((8, 8), 255 * (number % 2), np.uint8)).save(folder / f"{number}.png")


def test_masks_in_a_folder_of_another_name_are_named(photos: Path) -> None:
    masks(photos / "spots")
    said = init_manifest(photos)
    assert "warning: spots/ is not read, but 3 of its files have the names of images: if they are masks" in said


def test_what_is_read_or_has_other_names_is_not_named(photos: Path) -> None:
    masks(photos / "masks")
    (photos / "notes").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(photos / "notes" / "plan.png")
    said = init_manifest(photos)
    assert "segmentation: 3 files in masks/" in said
    assert "is not read" not in said
