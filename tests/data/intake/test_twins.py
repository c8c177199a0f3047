"""Label files beside their images, in one folder."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from afanet.data.intake.init import init_manifest
from afanet.errors import InputError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
LABELS: dict[str, Pixels] = {
    "segmentation": (np.arange(96).reshape(8, 12) % 3).astype(np.uint8),
    "depth": (np.arange(96).reshape(8, 12) * 9).astype(np.uint16),
}


def write(root: Path, photo: str, **labels: str) -> Path:
    for number in range(6):
        files: dict[str, Pixels] = {photo: np.full((8, 12, 3), number, np.uint8)}
        files |= {label: LABELS[kind] for kind, label in labels.items()}
        for name, pixels in files.items():
            path = root / name.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


@pytest.mark.parametrize(
    ("photo", "labels"),
    [
        ("{}.jpg", {"segmentation": "{}.png"}),
        ("{}.jpg", {"depth": "{}.png"}),
        ("{}.png", {"segmentation": "{}_mask.png"}),
        ("{}.jpg", {"segmentation": "{}-seg.png", "depth": "{}_depth.png"}),
        ("{}_rgb.png", {"depth": "{}_depth.png"}),
        ("images/{}.jpg", {"segmentation": "images/{}_label.png"}),
    ],
)
def test_a_file_beside_an_image_is_its_label(photo: str, labels: dict[str, str], tmp_path: Path) -> None:
    printed = init_manifest(write(tmp_path, photo, **labels))
    assert printed.splitlines()[0].endswith(": 6 images")
    for kind in labels:
        assert f"  {kind}: 6 files beside the images" in printed
    with (tmp_path / "manifest.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows.keys() == {photo.format(number) for number in range(6)}
    for number in range(6):
        assert all(rows[photo.format(number)][kind] == label.format(number) for kind, label in labels.items())
    declared = yaml.safe_load((tmp_path / "recipe.yaml").read_text())["data"]["options"]["tasks"]
    assert {name: task["kind"] for name, task in declared.items()} == {kind: kind for kind in labels}


def test_in_folders_of_splits_too(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path, f"{split}/{{}}.jpg", segmentation=f"{split}/{{}}_mask.png")
    printed = init_manifest(tmp_path)
    assert "12 images" in printed
    assert "segmentation: 12 files beside the images with ids 0, 1, 2" in printed


def test_two_photos_of_one_name_stay_two_images_or_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "{}.jpg", segmentation="labels/{}.png")
    Image.new("RGB", (12, 8)).save(tmp_path / "3.png")
    with pytest.raises(InputError, match="differ only in their endings"):
        init_manifest(tmp_path)


def test_folders_of_normal_and_other_images_are_classes(tmp_path: Path) -> None:
    """The common tree of X-rays: NORMAL is no folder of surface normals."""
    for split in ("train", "test"):
        for name in ("NORMAL", "PNEUMONIA"):
            write(tmp_path, f"{split}/{name}/{{}}.jpeg")
    assert "label: folders NORMAL 12, PNEUMONIA 12" in init_manifest(tmp_path)
