from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from afanet.data.sets.cityscapes import CLASSES, FAR, metres, open_cityscapes
from afanet.errors import InputError

STREET = "val/frankfurt/frankfurt_000000_000294"
# The ids of the 19 classes in order, as the benchmark publishes them.
SCORED = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
SIZE = (8, 16)


def test_the_published_val_is_the_test_split(cityscapes: Path):
    data = open_cityscapes(cityscapes, SIZE)
    assert [data.train[i]["id"] for i in range(2)] == [
        "cityscapes/train/aachen/aachen_000000_000019",
        "cityscapes/train/bochum/bochum_000000_000313",
    ]
    assert data.test[0]["id"] == f"cityscapes/{STREET}"
    assert [data.train.read.group(item) for item in data.train.items] == ["aachen", "bochum"]
    assert data.describe == (
        "cityscapes: 2 training and 1 test images (val) of 3 cities, 19 classes and depth, at 8x16"
    )
    assert not data.problems
    assert not data.warnings


def test_label_ids_become_the_19_classes_and_all_others_void(cityscapes: Path):
    data = open_cityscapes(cityscapes, SIZE)
    labels = data.test.read(data.test.items[0])["targets"]["segmentation"]
    expected = [SCORED.index(number % 34) if number % 34 in SCORED else 255 for number in range(128)]
    assert labels.flatten().tolist() == expected
    assert len(CLASSES) == 19
    assert [CLASSES[0], CLASSES[10], CLASSES[13], CLASSES[18]] == ["road", "sky", "car", "bicycle"]


@pytest.mark.parametrize("camera", [True, False])
def test_depth_is_baseline_times_focal_length_by_disparity(cityscapes: Path, camera: bool):
    baseline, fx = 0.1 * 3, 2003.0
    if not camera:
        shutil.rmtree(cityscapes / "camera")
        baseline, fx = 0.209313, 2262.52
    data = open_cityscapes(cityscapes, SIZE)
    depth = data.test.read(data.test.items[0])["targets"]["depth"].flatten().tolist()
    assert len(depth) == 128
    for number, depth_value in enumerate(depth):
        stored = 510 * number
        disparity = (stored - 1) / 256
        there = stored > 1 and baseline * fx / disparity <= FAR
        assert depth_value == pytest.approx(baseline * fx / disparity if there else 0, rel=1e-5)


@given(st.integers(0, 65535), st.floats(0.05, 1), st.floats(500, 5000))
def test_depth_is_none_or_between_the_nearest_there_is_and_the_far_limit(stored, baseline, fx):
    [depth] = metres(np.array([stored], np.uint16), baseline, fx)
    assert depth == 0 or baseline * fx / 256 * 0.999 <= depth <= FAR * 1.001
    assert stored > 1 or depth == 0


def test_without_disparity_there_is_no_depth(cityscapes: Path):
    shutil.rmtree(cityscapes / "disparity")
    data = open_cityscapes(cityscapes, SIZE)
    assert list(data.tasks) == list(data.test[0]["targets"]) == ["segmentation"]
    assert data.warnings == [f"{cityscapes} has no disparity/: there is no task 'depth'"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("gtFine/STREET_gtFine_labelIds.png", np.full((8, 16), 34, np.uint8), "has label 34, expected 0 to 33"),
        ("gtFine/STREET_gtFine_labelIds.png", np.full((8, 12), 7, np.uint8), "is 8x12 pixels, expected 8x16 as its"),
        ("disparity/STREET_disparity.png", np.full((8, 16), 7, np.uint8), "is an image of mode L, expected I;16"),
        ("disparity/STREET_disparity.png", np.full((4, 16), 7, np.uint16), "is 4x16 pixels, expected 8x16"),
        ("camera/STREET_camera.json", {"extrinsic": {}}, "cannot be read as a camera file (KeyError('baseline'))"),
        ("camera/STREET_camera.json", [], "cannot be read as a camera file"),
        (
            "camera/STREET_camera.json",
            {"extrinsic": {"baseline": 0}, "intrinsic": {"fx": 2000}},
            "has baseline 0.0 m and fx 2000.0 pixels, expected about 0.2 and 2260",
        ),
    ],
)
def test_files_that_cannot_be_used_are_named(cityscapes: Path, file: str, content: object, message: str):
    path = cityscapes / file.replace("STREET", STREET)
    if isinstance(content, np.ndarray):
        Image.fromarray(content).save(path)
    else:
        path.write_text(json.dumps(content))
    data = open_cityscapes(cityscapes, SIZE)
    with pytest.raises(InputError) as caught:
        data.test[0]
    assert str(caught.value).startswith(f"{path} {message}")


def test_every_missing_file_is_a_problem(cityscapes: Path):
    missing = [
        cityscapes / f"{name}.png" for name in (f"disparity/{STREET}_disparity", f"gtFine/{STREET}_gtFine_labelIds")
    ]
    for path in missing:
        path.unlink()
    data = open_cityscapes(cityscapes, SIZE)
    assert len(data.test) == 0
    assert sorted(problem.partition(" is missing")[0] for problem in data.problems) == sorted(map(str, missing))


def test_a_folder_that_is_not_there_is_named_and_nothing_is_unpacked(cityscapes: Path):
    shutil.rmtree(cityscapes / "gtFine")
    for name in ("leftImg8bit_trainvaltest.zip", "gtFine_trainvaltest.zip"):
        with ZipFile(cityscapes / name, "w") as archive:
            archive.writestr("gtFine/train/aachen/x.txt", "unpacked")
    with pytest.raises(
        InputError, match=r"does not have the layout .*www\.cityscapes-dataset\.com \(gtFine/train/ is not th"
    ):
        open_cityscapes(cityscapes, SIZE)
    assert not (cityscapes / "gtFine").exists()


def test_a_stray_file_among_the_cities(cityscapes: Path):
    (cityscapes / "leftImg8bit/val/.DS_Store").touch()
    with pytest.raises(InputError, match=r"val/\.DS_Store cannot be listed \(Not a directory\), expected a city"):
        open_cityscapes(cityscapes, SIZE)
