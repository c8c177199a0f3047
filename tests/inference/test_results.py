"""Results decide as tasks do, keep their units, and save what they hold."""

from __future__ import annotations

import io
import json
import pickle
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from afanet.errors import InputError
from afanet.inference import Choice, DepthMap, LabelMap, Labels, NormalMap, Number, Results, read_estimate, side_by_side
from afanet.tasks.drawing.draw import swatches, title
from afanet.tasks.drawing.resize import resize
from afanet.tasks.result import PooledResult, Result

from ..bounds import bounded
from .conftest import MEANINGS, TASKS

GENERATOR = torch.Generator().manual_seed(0)
SIZE = (24, 32)


def logits(name: str) -> torch.Tensor:
    channels = TASKS[name].output.channels
    shape = (1, channels, *SIZE) if name in ("segmentation", "depth", "normals") else (1, channels)
    return 2 * torch.randn(shape, generator=GENERATOR)


def result(name: str, size: tuple[int, int] = SIZE) -> Result:
    return read_estimate(name, MEANINGS[name], TASKS[name].estimate(logits(name))[0].numpy(), size)


@pytest.mark.parametrize("name", TASKS)
def test_it_decides_as_the_task_does(name: str) -> None:
    for _ in range(10):
        given = logits(name)
        predicted = TASKS[name].predict(given)[0].numpy()
        actual = read_estimate(name, MEANINGS[name], TASKS[name].estimate(given)[0].numpy(), SIZE)
        match actual:
            case LabelMap():
                assert (actual.labels == predicted).all()
                assert np.allclose(actual.probability, given.softmax(1).amax(1)[0])
                assert sum(actual.shares.values()) == pytest.approx(1)
            case DepthMap():
                assert (actual.metres == predicted[0]).all()
            case NormalMap():
                assert np.allclose(actual.vectors, predicted.transpose(1, 2, 0), atol=1e-6)
            case Choice():
                assert (actual.index, actual.name) == (predicted, MEANINGS[name]["classes"][predicted])
                assert sum(actual.probabilities.values()) == pytest.approx(1)
            case Labels():
                assert [label in actual.names for label in MEANINGS[name]["labels"]] == predicted.astype(bool).tolist()
            case Number():
                assert actual.value == predicted
                assert str(actual) == f"{predicted:.1f} years"


@pytest.mark.parametrize("name", ["segmentation", "depth"])
def test_dense_pictures_are_those_of_the_task(name: str) -> None:
    given = logits(name)
    actual = read_estimate(name, MEANINGS[name], TASKS[name].estimate(given)[0].numpy(), SIZE)
    assert (actual.picture() == TASKS[name].picture(TASKS[name].predict(given)[0])).all()


@pytest.mark.parametrize("size", [(48, 64), (61, 45), (24, 32), (1, 1)])
def test_results_have_the_photo_s_own_size(size: tuple[int, int]) -> None:
    labels, depth, normals = (result(name, size) for name in ("segmentation", "depth", "normals"))
    assert labels.labels.shape == labels.probability.shape == depth.metres.shape == size
    assert np.allclose(np.linalg.norm(normals.vectors, axis=2), 1, atol=1e-5)
    for one in (labels, depth, normals):
        assert one.picture().shape == (*size, 3)
        assert one.picture().dtype == np.uint8


@pytest.mark.parametrize("size", [(48, 64), (60, 33)])
def test_maps_grow_as_torch_has_them_grow(size: tuple[int, int]) -> None:
    values = torch.rand(1, 1, *SIZE, generator=GENERATOR)
    grown = F.interpolate(values, size, mode="bilinear", align_corners=False)
    assert np.allclose(resize(values[0, 0].numpy(), size), grown[0, 0], atol=1e-5)


def test_classes_are_decided_after_growing() -> None:
    actual = read_estimate(
        "segmentation", MEANINGS["segmentation"], np.array([[[1, 0]], [[0, 0.6]], [[0, 0.4]]], np.float32), (1, 4)
    )
    assert actual.labels.tolist() == [[0, 0, 1, 1]]  # in the third 0.25, 0.45 and 0.3


@pytest.mark.parametrize("classes", [3, 250, 256])
def test_a_label_map_is_saved_as_the_same_numbers_in_grey_and_in_colour(classes: int, tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, classes, SIZE, dtype=np.uint8)
    names = tuple(f"class {number}" for number in range(classes))
    colours = np.random.default_rng(1).permutation(2**24)[:classes, None] >> [16, 8, 0]
    actual = LabelMap("parts", labels, np.ones(SIZE, np.float32), names, (colours & 255).astype(np.uint8))
    raw, palette = actual.save(tmp_path, "x")
    assert (np.array(Image.open(raw)) == labels).all()
    with Image.open(palette) as image:
        assert (image.mode, image.size) == ("P", SIZE[::-1])
        assert (np.array(image) == labels).all()
        assert (np.array(image.convert("RGB")) == actual.picture()).all()


@pytest.mark.parametrize("name", ["segmentation", "depth"])
def test_a_legend_has_a_file_of_its_own_beside_the_pictures(name: str, tmp_path: Path) -> None:
    first, second = result(name), result(name)
    written = [*first.save(tmp_path, "x"), *second.save(tmp_path, "y")]
    for file in written:
        with Image.open(file) as image:
            assert image.size == SIZE[::-1]
    others = set(tmp_path.rglob("*.png")) - set(written)
    assert others == {tmp_path / f"{name}-legend.png"}
    if isinstance(first, LabelMap):  # the colours of all classes, whichever occur
        with Image.open(tmp_path / "segmentation-legend.png") as image:
            assert {tuple(colour) for colour in first.colours.tolist()} <= {colour for _, colour in image.getcolors()}


def test_depth_is_saved_in_millimetres(tmp_path: Path) -> None:
    far = read_estimate("depth", MEANINGS["depth"], np.array([[[0.0012, 1.2345, 99.0]]], np.float32), (1, 3))
    raw, coloured = far.save(tmp_path, "x")
    assert np.array(Image.open(raw)).tolist() == [[1, 1234, 65535]]
    assert Image.open(raw).mode == "I;16"
    assert Image.open(coloured).mode == "RGB"


def test_normals_are_saved_to_within_a_level(tmp_path: Path) -> None:
    actual = result("normals")
    [file] = actual.save(tmp_path, "x")
    assert np.abs(np.array(Image.open(file)) / 127.5 - 1 - actual.vectors).max() <= 1 / 255 + 1e-6


@pytest.mark.parametrize("name", ["kind", "age", "face", "years"])
def test_what_is_said_in_words_is_json_table_and_html(name: str, tmp_path: Path) -> None:
    actual = result(name)
    assert isinstance(actual, PooledResult)
    [file] = actual.save(tmp_path, "x")
    assert json.loads(file.read_text()) == actual.as_json()
    assert all(column.partition(".")[0] == name for column in actual.columns())
    assert str(actual) in actual._repr_html_()


def test_html_is_escaped() -> None:
    meaning = {"kind": "classification", "classes": ["<b>", "c"]}
    assert "<b>:" not in read_estimate("t", meaning, np.array([0.9, 0.1], np.float32), SIZE)._repr_html_()[3:]
    assert "&lt;b&gt;" in read_estimate("t", meaning, np.array([0.9, 0.1], np.float32), SIZE)._repr_html_()


@pytest.mark.parametrize("size", [(24, 32), (3, 900), (900, 3), (1, 1), (700, 500)])
def test_everything_fits_into_one_picture(size: tuple[int, int]) -> None:
    whole = side_by_side(np.zeros((*size, 3), np.uint8), {name: result(name, size) for name in TASKS})
    assert whole.ndim == 3
    assert max(whole.shape) < 4000


@pytest.mark.parametrize("tasks", [1, 3, 5, 8, 12, 30])
def test_many_pictures_stand_in_rows(tasks: int) -> None:
    photo = np.zeros((48, 64, 3), np.uint8)
    height, width = side_by_side(photo, {f"depth {place}": result("depth") for place in range(tasks)}).shape[:2]
    if tasks < 4:
        assert width == 12 + (1 + tasks) * (240 + 12)  # all in one row
    assert width < 4 * max(height, 300)
    assert height < 2 * width


def test_every_task_is_drawn_once_at_a_place_of_its_own() -> None:
    actual = {f"depth {place}": result("depth") for place in range(6)}
    whole = side_by_side(np.zeros((240, 240, 3), np.uint8), actual)
    windows = np.lib.stride_tricks.sliding_window_view(whole[..., 0], actual["depth 0"].figure(240).shape[:2])
    for one in actual.values():
        drawn = one.figure(240)[..., 0]
        corners = np.argwhere(windows[..., 0, 0] == drawn[0, 0])
        assert sum((windows[y, x] == drawn).all() for y, x in corners) == 1


def test_a_notebook_gets_a_png() -> None:
    with Image.open(io.BytesIO(result("depth")._repr_png_())) as image:
        assert image.width == 480


def test_a_notebook_gets_the_photo_and_all_results_in_one_picture() -> None:
    photo = np.full((*SIZE, 3), 99, np.uint8)
    results = Results(photo, {name: result(name) for name in TASKS})
    [encoded] = re.findall(r'src="data:image/png;base64,([^"]+)"', results._repr_html_())
    with Image.open(io.BytesIO(b64decode(encoded))) as image:
        assert (np.asarray(image) == side_by_side(photo, results)).all()


def test_those_who_cannot_see_the_picture_get_its_words_as_text() -> None:
    results = Results(np.zeros((*SIZE, 3), np.uint8), {"kind": Choice("kind", '"<b>', 0, {'"<b>': 1.0})})
    assert 'alt="photo; &quot;&lt;b&gt; (100%)"' in results._repr_html_()


def test_results_are_a_dict_that_keeps_its_photo_when_it_travels() -> None:
    photo = np.full((*SIZE, 3), 99, np.uint8)
    results = pickle.loads(pickle.dumps(Results(photo, {"years": result("years")})))
    assert list(results) == ["years"]
    assert (results.photo == photo).all()


def test_an_unknown_kind_is_said() -> None:
    with pytest.raises(InputError, match="task 'x': unknown kind 'dept', did you mean 'depth'"):
        read_estimate("x", {"kind": "dept"}, np.zeros(1, np.float32), SIZE)


def area(file: Path) -> int:
    with Image.open(file) as image:
        return image.width * image.height


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (2, 20_000), (20_000, 2)])
def test_drawing_takes_time_and_room_as_the_photo_has_pixels(size: tuple[int, int], tmp_path: Path) -> None:
    results = {name: result(name, size) for name in TASKS}
    with bounded(8):
        written = [file for one in results.values() for file in one.save(tmp_path, "x") if file.suffix == ".png"]
        picture = side_by_side(np.zeros((*size, 3), np.uint8), results)
    assert picture.size < 5_000_000
    assert {area(file) for file in written} == {size[0] * size[1]}
    assert all(area(tmp_path / f"{name}-legend.png") < 480 * 480 for name in ("segmentation", "depth"))


def test_words_of_any_length_are_shortened_at_once() -> None:
    with bounded(5):
        drawn = title("mountains " * 100_000, 300)
        one = swatches(["a\nb" * 100_000, "wall"], [(0, 0, 0), (9, 9, 9)], 300)
    assert drawn.shape[1] == one.shape[1] == 300


def test_many_classes_have_a_legend_at_once(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(20_000)]
    labels = np.arange(20_000, dtype=np.uint16).reshape(100, 200)
    colours = np.zeros((20_000, 3), np.uint8)
    with bounded(10):
        actual = LabelMap("segmentation", labels, np.ones((100, 200), np.float32), tuple(names), colours)
        [_, coloured] = actual.save(tmp_path, "x")
    assert area(coloured) == 100 * 200
    assert area(tmp_path / "segmentation-legend.png") < 480 * 6000
