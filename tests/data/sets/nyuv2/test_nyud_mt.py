from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.data.edges import edges_from_labels
from afanet.data.sets.nyuv2.classes import label_table
from afanet.data.sets.nyuv2.eigen import inside
from afanet.data.sets.nyuv2.frames import from_depth
from afanet.data.sets.nyuv2.nyud_mt import FOLDERS, NyudMt
from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2
from afanet.errors import InputError

SIZE = (24, 32)
WRITTEN = (np.arange(768).reshape(SIZE) + 2) % 41
FORTY = label_table("classes40", 40)


def test_frames_are_read_as_written_and_split_by_gt_sets(nyud_mt: Path):
    data = open_nyuv2(nyud_mt, SIZE, normals=True)
    assert [data.train[i]["id"] for i in range(3)] == ["images/0001.jpg", "images/0003.jpg", "images/0004.jpg"]
    assert "3 training and 1 test frames from NYUD_MT's folders (tested on val), 40 classes" in data.describe
    sample = data.test.read("0002")
    assert sample["id"] == "images/0002.jpg"
    assert abs(sample["image"][0].float().mean() - 100) < 3
    np.testing.assert_array_equal(sample["targets"]["segmentation"], np.where(WRITTEN == 0, 255, WRITTEN - 1))
    np.testing.assert_array_equal(sample["targets"]["depth"][0], np.load(nyud_mt / "depth/0002.npy"))
    assert data.test.read.files("0002") == tuple(
        nyud_mt / name for name in ("images/0002.jpg", "segmentation/0002.png", "depth/0002.npy", "normals/0002.npy")
    )


def test_thirteen_classes_come_by_the_packages_tables(nyud_mt: Path):
    sample = open_nyuv2(nyud_mt, SIZE, classes=13).test[0]
    np.testing.assert_array_equal(sample["targets"]["segmentation"], label_table("classes40", 13)[WRITTEN])


@pytest.mark.parametrize("kind", ["npy", "png"])
def test_normals_are_turned_to_our_axes_from_arrays_and_from_images(nyud_mt: Path, kind: str):
    written = np.load(nyud_mt / "normals/0002.npy")
    if kind == "png":
        for path in (nyud_mt / "normals").iterdir():
            pixels = ((np.load(path) + 1) * 127.5).round().astype(np.uint8)
            pixels[0, 0] = 127  # none
            Image.fromarray(pixels).save(path.with_suffix(".png"))
            path.unlink()
    normals = open_nyuv2(nyud_mt, SIZE, normals=True).test[0]["targets"]["normals"].permute(1, 2, 0).numpy()
    expected = written * [1, -1, -1]
    if kind == "png":
        assert normals[0, 0].tolist() == [0, 0, 0]
        expected[0, 0] = 0
    np.testing.assert_allclose(normals, expected, atol=1e-6 if kind == "npy" else 0.01)


def test_without_a_folder_of_normals_they_come_from_depth(nyud_mt: Path):
    (nyud_mt / "normals").rename(nyud_mt / "elsewhere")
    data = open_nyuv2(nyud_mt, SIZE, normals=True)
    assert "normals from depth" in data.describe
    depth = torch.from_numpy(np.load(nyud_mt / "depth/0002.npy"))
    assert torch.equal(data.test[0]["targets"]["normals"], from_depth(depth))


def test_normals_of_something_else_are_a_problem(nyud_mt: Path):
    rng = np.random.default_rng(0)
    for path in (nyud_mt / "normals").iterdir():
        np.save(path, rng.normal(size=(*SIZE, 3)))
    [problem] = open_nyuv2(nyud_mt, SIZE, normals=True).problems
    assert "normals that do not fit its depth" in problem
    assert not open_nyuv2(nyud_mt, SIZE).problems


def test_labels_may_be_arrays(nyud_mt: Path):
    (nyud_mt / "segmentation/0002.png").unlink()
    np.save(nyud_mt / "segmentation/0002.npy", WRITTEN.astype(np.float32))
    sample = NyudMt(nyud_mt, FORTY)("0002")
    np.testing.assert_array_equal(sample["targets"]["segmentation"], np.where(WRITTEN == 0, 255, WRITTEN - 1))
    for wrong in (41, 0.5, np.nan, -1):
        np.save(nyud_mt / "segmentation/0002.npy", np.full(SIZE, wrong))
        with pytest.raises(InputError, match=rf"0002\.npy has label {wrong}(\.0)?, expected 0 \(void\) to 40"):
            NyudMt(nyud_mt, FORTY)("0002")


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("depth/0002.npy", np.full(SIZE, np.nan), "has depth nan, expected metres, or 0"),
        ("depth/0002.npy", np.full(SIZE, -2.0), "has depth -2.0, expected metres, or 0"),
        ("depth/0002.npy", np.full(SIZE, np.inf), "has depth inf, expected metres, or 0"),
        ("depth/0002.npy", np.full(SIZE, 255, np.uint8), "is of type uint8, expected metres in floating point"),
        ("depth/0002.npy", np.ones(SIZE[::-1]), "is 32x24 pixels, expected 24x32 as its photo .*images/0002"),
        ("depth/0002.npy", np.array(["a"]), "holds no plain array of numbers"),
        ("depth/0002.npy", np.array([{}]), "cannot be read as an array"),
        ("normals/0002.npy", np.ones(SIZE), "is 24x32 pixels, expected 24x32x3 as its photo"),
    ],
)
def test_arrays_of_wrong_content(nyud_mt: Path, file: str, values: np.ndarray, message: str):
    np.save(nyud_mt / file, values, allow_pickle=True)
    with pytest.raises(InputError, match=f"{file} {message}"):
        NyudMt(nyud_mt, FORTY, normals=True)("0002")


def test_a_cut_array_is_named_when_it_is_read(nyud_mt: Path):
    path = nyud_mt / "depth/0002.npy"
    whole = path.read_bytes()
    frames = NyudMt(nyud_mt, FORTY)
    for length in (0, 50, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"depth/0002\.npy cannot be read as an array"):
            frames("0002")
    path.unlink()
    with pytest.raises(InputError, match=r"depth/0002\.npy is missing"):
        frames("0002")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.txt names no frame"),
        ("0001\n0001\n", "train.txt names frame 0001 twice"),
        ("0001\n../0003\n", "train.txt names frame ../0003, expected names of files in images/, no folders"),
        ("0001\n0002\n", "gt_sets has frame 0002 in train.txt and in val.txt"),
    ],
)
def test_lists_of_wrong_content(nyud_mt: Path, text: str, message: str):
    (nyud_mt / "gt_sets/train.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        open_nyuv2(nyud_mt)


def test_every_missing_file_is_a_problem_and_whole_frames_stay(nyud_mt: Path):
    (nyud_mt / "gt_sets/train.txt").write_text("0001\n0009\n0003\n")
    (nyud_mt / "normals/0002.npy").unlink()
    names = [f"{folder}/0009{suffixes[0]}" for folder, suffixes in FOLDERS.items() if folder != "edge"]
    data = open_nyuv2(nyud_mt, SIZE, normals=True)
    assert (data.train.items, data.test.items) == (["0001", "0003"], [])
    assert data.problems == [
        f"{nyud_mt / name} is missing, and its sample needs it: copy or unpack it again"
        for name in (*names, "normals/0002.npy")
    ]
    assert open_nyuv2(nyud_mt, SIZE).test.items == ["0002"]


def test_of_two_files_of_a_frame_the_first_type_counts(nyud_mt: Path):
    np.save(nyud_mt / "segmentation/0002.npy", np.zeros(SIZE))
    assert NyudMt(nyud_mt, FORTY).path("0002", "labels") == nyud_mt / "segmentation/0002.png"


def test_what_is_missing_is_named(nyud_mt: Path):
    (nyud_mt / "gt_sets/val.txt").unlink()
    with pytest.raises(InputError, match=r"gt_sets/val\.txt cannot be read"):
        open_nyuv2(nyud_mt)
    (nyud_mt / "gt_sets/val.txt").write_bytes(b"\xff\xfe0")
    with pytest.raises(InputError, match=r"gt_sets/val\.txt cannot be read"):
        open_nyuv2(nyud_mt)
    (nyud_mt / "gt_sets/val.txt").write_text("\ufeff0002\r\n", encoding="utf-8")
    assert open_nyuv2(nyud_mt, SIZE).test[0]["id"] == "images/0002.jpg"
    (nyud_mt / "depth").rename(nyud_mt / "elsewhere")
    with pytest.raises(InputError, match=r"depth is missing, expected gt_sets/, images/\*\.jpg, .*depth/\*\.npy: copy"):
        open_nyuv2(nyud_mt)


def test_edges_are_those_of_the_files_or_of_the_labels(nyud_mt: Path) -> None:
    data = open_nyuv2(nyud_mt, SIZE, edges=True)
    assert "40 classes, depth and edges of labels" in data.describe
    assert data.tasks["edges"].max_distance == 0.011
    np.testing.assert_array_equal(data.test[0]["targets"]["edges"], edges_from_labels(WRITTEN))
    (nyud_mt / "edge").mkdir()
    written = np.zeros(SIZE, np.uint8)
    written[3] = 255
    for index in range(1, 5):
        Image.fromarray(written).save(nyud_mt / f"edge/{index:04d}.png")
    data = open_nyuv2(nyud_mt, SIZE, edges=True, mask="eigen")
    assert "depth and its own edges" in data.describe
    expected = np.where(inside(*SIZE), written > 0, -1)
    np.testing.assert_array_equal(data.test[0]["targets"]["edges"][0], expected)
    Image.fromarray(written // 2).save(nyud_mt / "edge/0002.png")
    with pytest.raises(InputError, match=r"edge/0002\.png has the value 127 at 32 pixels, expected 255 or 1 \(edge\)"):
        data.test[0]
    (nyud_mt / "edge/0002.png").unlink()
    assert "edge/0002.png is missing" in open_nyuv2(nyud_mt, SIZE, edges=True).problems[0]
