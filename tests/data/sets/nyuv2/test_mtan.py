from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

SIZE = (24, 32)


def test_frames_are_read_as_written_and_split_by_folder(mtan: Path):
    data = open_nyuv2(mtan, SIZE, classes=13, normals=True)
    assert [data.train[i]["id"] for i in range(3)] == [f"train/image/{number}.npy" for number in range(3)]
    assert "3 training and 1 test frames from MTAN's folders (tested on val), 13 classes" in data.describe
    sample = data.train.read("train/2")
    assert sample["image"].unique().tolist() == [15]  # 3 / 51 of 255
    written = np.load(mtan / "train/label/2.npy")
    assert written.min() == -1
    np.testing.assert_array_equal(sample["targets"]["segmentation"], np.where(written == -1, 255, written))
    np.testing.assert_allclose(sample["targets"]["depth"][0], np.load(mtan / "train/depth/2.npy")[..., 0], rtol=1e-6)
    # The axes were written as -(x, z, y).
    expected = -np.load(mtan / "train/normal/2.npy")[..., [0, 2, 1]]
    np.testing.assert_allclose(sample["targets"]["normals"].permute(1, 2, 0), expected, atol=1e-6)
    assert data.test.read.files("val/0") == tuple(
        mtan / "val" / part / "0.npy" for part in ("image", "label", "depth", "normal")
    )


def test_there_are_thirteen_classes_only(mtan: Path):
    assert len(open_nyuv2(mtan).tasks["segmentation"].names) == 13
    with pytest.raises(InputError, match="whose labels are of 13 classes: set the option 'classes' to 13"):
        open_nyuv2(mtan, classes=40)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        ("image", np.full((*SIZE, 3), 200.0), "values of type float64 from 200.0 to 200.0, expected .* 0 to 1"),
        ("image", np.full((*SIZE, 3), 200, np.uint8), "values of type uint8"),
        ("image", np.full((*SIZE, 3), np.nan), "values of type float64 from nan to nan"),
        ("image", np.ones(SIZE), "is 24x32 of uint8, expected HxWx3"),
        ("image", np.ones((0, 0, 3)), "holds no plain array of numbers"),
        ("label", np.full(SIZE, 13.0), r"has label 13.0, expected -1 \(void\) to 12"),
        ("label", np.full(SIZE, 255, np.uint8), r"has label 255, expected -1 \(void\) to 12"),
        ("depth", np.full((*SIZE, 1), np.nan), "has depth nan"),
        ("depth", np.ones((*SIZE, 3)), "is 24x32x3 pixels, expected 24x32 as its photo"),
    ],
)
def test_arrays_of_wrong_content(mtan: Path, part: str, values: np.ndarray, message: str):
    np.save(mtan / "val" / part / "0.npy", values)
    data = open_nyuv2(mtan, SIZE, classes=13)
    assert data.train[0]["id"] == "train/image/0.npy"
    with pytest.raises(InputError, match=rf"val/{part}/0\.npy .*{message}"):
        data.test[0]


def test_what_is_missing_is_named(mtan: Path):
    (mtan / "train/depth/1.npy").unlink()
    (mtan / "train/label/0.npy").rename(mtan / "train/label/00.npy")
    data = open_nyuv2(mtan, normals=True)
    assert data.train.items == ["train/2"]
    assert data.problems == [
        f"{mtan}/train/{name}.npy is missing, and its sample needs it: copy or unpack it again"
        for name in ("label/0", "depth/1")
    ]
    for part in ("image", "label", "depth", "normal"):
        (mtan / f"val/{part}/0.npy").unlink()
        (mtan / f"train/{part}/1.npy").unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"val/image has no frame, expected train/ and val/, each with image/N\.npy"):
        open_nyuv2(mtan, classes=13)
    (mtan / "val").rename(mtan / "elsewhere")
    with pytest.raises(InputError, match="val/image is missing, expected train/ and val/, each with image/N"):
        open_nyuv2(mtan, classes=13)
