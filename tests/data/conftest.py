"""Small data sets in the published layouts, written by the tests themselves, and the real ones where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

SHARED = Path(__file__).parents[3] / "shared" / "data"
HEADER = "user_id\toriginal_image\tface_id\tage\tgender\tx\n"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The path of a folder of real data; the test is skipped, by its name, where it is missing."""

    def find(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"../shared/data/{name} is missing")
        return SHARED / name

    return find


def write_splits(root: Path, train: object = (1, 2, 3), test: object = (4,)) -> None:
    as_column = {"trainNdxs": np.array(train, np.uint16)[:, None], "testNdxs": np.array(test, np.uint16)[:, None]}
    savemat(root / "splits.mat", as_column)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Four frames of 12x16 pixels as plain folders: labels 0..40, depth 1000 mm and more, with a hole."""
    rng = np.random.default_rng(0)
    for folder in ("rgb", "label40", "depth_mm"):
        (tmp_path / folder).mkdir()
    for index in range(1, 5):
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(tmp_path / f"rgb/{index:04d}.jpg")
        labels = (np.arange(192, dtype=np.uint8).reshape(12, 16) + index) % 41
        Image.fromarray(labels).save(tmp_path / f"label40/{index:04d}.png")
        depth = (1000 + np.arange(192, dtype=np.uint16).reshape(12, 16)) * np.uint16(index)
        depth[0, 0] = 0
        Image.fromarray(depth).save(tmp_path / f"depth_mm/{index:04d}.png")
    write_splits(tmp_path)
    return tmp_path


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    """Four frames of 12x16 pixels in the layout of the official MATLAB file, the labels counting up from 0."""
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["images"] = rng.integers(0, 256, (4, 3, 16, 12), np.uint8)
        file["labels"] = np.arange(4 * 192, dtype=np.uint16).reshape(4, 12, 16).transpose(0, 2, 1)
        file["depths"] = rng.uniform(1, 9, (4, 16, 12)).astype(np.float32)
    write_splits(tmp_path)
    return path


@pytest.fixture
def adience(tmp_path: Path) -> Path:
    """Five folds of two people, each person with a photo of the fold's own age and gender."""
    ages = ["(0, 2)", "(25, 32)", "None", "35", "(38, 42)"]
    genders = ["f", "m", "u", "", "f"]
    for fold in range(5):
        rows = []
        for person in range(2):
            user, photo = f"{fold}{person}@N00", f"{person}_o.jpg"
            folder = tmp_path / "aligned" / user
            folder.mkdir(parents=True)
            colour = (40 * fold, 100 * person, 7)
            Image.new("RGB", (10, 8), colour).save(folder / f"landmark_aligned_face.{person}.{photo}", "PNG")
            rows.append(f"{user}\t{photo}\t{person}\t{ages[fold]}\t{genders[fold]}\t0\n")
        (tmp_path / f"fold_{fold}_data.txt").write_text(HEADER + "".join(rows))
    return tmp_path
