"""What is said of a photo lies on it, however it fitted the network's input, and keeps its side in a mirror."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.framing import RESIZES, Resize, framing
from afanet.inference import DepthMap, LabelMap, NormalMap, Predictor
from afanet.inference.windows import Windowed

from .conftest import SIZE, TASKS, Formula, told, write_model

PORTRAIT, LANDSCAPE = (90, 40), (40, 90)


def red(images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """A network that says of each pixel what it sees there: red is metres, and the class is that of the side."""
    depth = images[:, :1] + 1
    bright = images[:, :1] > 0.5
    classes = np.concatenate([bright, ~bright, np.zeros_like(bright)], axis=1).astype(np.float32)
    normals = np.broadcast_to(np.float32([0, 0, 1])[None, :, None, None], (len(images), 3, *images.shape[2:]))
    return {"depth": depth, "segmentation": classes, "normals": normals.copy()}


def ramp(shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Bright in a disc in the middle, 20 pixels wide."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    disc = (rows - shape[0] / 2 + 0.5) ** 2 + (columns - shape[1] / 2 + 0.5) ** 2 < 10**2
    return (disc * 255).astype(np.uint8)[..., None].repeat(3, 2)


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [PORTRAIT, LANDSCAPE, (37, 41), SIZE])
@pytest.mark.parametrize("views", [{}, {"flip": True, "scales": [1, 1.5]}])
def test_a_pixelwise_network_answers_for_the_photo_itself(
    shape: tuple[int, int], resize: Resize, views: dict[str, Any]
) -> None:
    photo = ramp(shape)
    results = Predictor(Formula(["depth", "segmentation", "normals"], red, resize), **views)(photo)
    depth, labels, normals = (results[name] for name in ("depth", "segmentation", "normals"))
    assert isinstance(depth, DepthMap)
    assert isinstance(labels, LabelMap)
    assert isinstance(normals, NormalMap)
    assert depth.metres.shape == labels.labels.shape == normals.vectors.shape[:2] == shape
    bright = labels.labels == 0
    for seen, true in ((bright.any(1), photo[..., 0].any(1)), (bright.any(0), photo[..., 0].any(0))):
        step = max(shape[0] / SIZE[0], shape[1] / SIZE[1])  # of the network, in pixels of the photo
        for edge in (0, -1):
            assert abs(int(np.flatnonzero(seen)[edge]) - int(np.flatnonzero(true)[edge])) <= step
    frame = framing(shape, SIZE, resize)
    inside = np.zeros(shape, bool)
    inside[frame.seen.slices] = True
    assert ((depth.metres > 0) == inside).all()
    assert ((labels.labels != 255) == inside).all()
    assert (normals.vectors.any(2) == inside).all()
    assert (labels.probability[~inside] == 0).all()
    assert (depth.picture()[~inside] == 0).all()
    assert (labels.picture()[~inside] == 0).all()
    assert sum(labels.shares.values()) == pytest.approx(inside.mean())


def test_what_is_absent_is_written_and_read_as_absent(tmp_path: Path) -> None:
    from PIL import Image

    results = Predictor(Formula(["depth", "segmentation", "normals"], red, "crop"))(ramp(PORTRAIT))
    inside = np.zeros(PORTRAIT, bool)
    inside[framing(PORTRAIT, SIZE, "crop").seen.slices] = True
    for name, result in results.items():
        files = result.save(tmp_path, "photo")
        stored = np.array(Image.open(files[0]))
        absent = {"depth": 0, "segmentation": 255, "normals": 128}[name]
        assert (stored[~inside] == absent).all()
        assert str(result) or repr(result)
    palette = Image.open(tmp_path / "segmentation-palette/photo.png")
    assert (np.array(palette.convert("RGB"))[: PORTRAIT[0], : PORTRAIT[1]][~inside] == 0).all()


def test_a_mirror_image_exchanges_the_sides_of_classes() -> None:
    def sided(images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        left = images[..., : images.shape[3] // 2].mean((1, 2, 3)) > images[..., images.shape[3] // 2 :].mean((1, 2, 3))
        kind = np.stack([left, ~left], axis=1).astype(np.float32)
        maps = np.zeros((len(images), 3, *images.shape[2:]), np.float32)
        maps[:, 0] = left[:, None, None]
        maps[:, 1] = 1 - maps[:, 0]
        return {"kind": kind, "segmentation": maps}

    photo = np.zeros((*SIZE, 3), np.uint8)
    photo[:, :10] = 255
    for sides, sure in (({"swap": [[0, 1]]}, True), ({}, False)):
        results = Predictor(Formula(["kind", "segmentation"], sided, sides=sides), flip=True)(photo)
        assert results["kind"].index == 0  # type: ignore[attr-defined]
        assert (results["kind"].probability == 1.0) == sure  # type: ignore[attr-defined]
        assert (results["segmentation"].probability == 1.0).all() == sure  # type: ignore[attr-defined]


def bright(images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """A network that says where the middle of what is bright lies, and how high it is at each pixel."""
    weights = (images[:, 0] > 0.5).astype(np.float64)
    (height, width), total = weights.shape[1:], weights.sum((1, 2))
    x = (weights.sum(1) * (np.arange(width) + 0.5)).sum(1) / total / width
    y = (weights.sum(2) * (np.arange(height) + 0.5)).sum(1) / total / height
    heights = np.full((len(images), 1, height, width), width / SIZE[1])  # grows with the view, as it is declared
    return {"nose": np.stack([x, y], 1).astype(np.float32), "height": heights.astype(np.float32)}


@pytest.mark.parametrize("resize", RESIZES)
@pytest.mark.parametrize("shape", [PORTRAIT, LANDSCAPE, SIZE])
@pytest.mark.parametrize("views", [{}, {"flip": True, "scales": [1, 1.5]}])
def test_points_lie_on_the_photo_and_a_quantity_is_that_of_the_plain_view(
    shape: tuple[int, int], resize: Resize, views: dict[str, Any]
) -> None:
    photo = np.roll(ramp(shape), (3, -4), (0, 1))
    results = Predictor(Formula(["nose", "height"], bright, resize), **views)(photo)
    nose, height = results["nose"], results["height"]
    step = max(shape[0] / SIZE[0], shape[1] / SIZE[1])
    true = {"x": shape[1] / 2 - 4, "y": shape[0] / 2 + 3}
    assert nose.values == pytest.approx(true, abs=step)  # type: ignore[attr-defined]
    seen = height.values[np.isfinite(height.values)]  # type: ignore[attr-defined]
    np.testing.assert_allclose(seen, 1, rtol=0.05)


def test_windows_refuse_points() -> None:
    with pytest.raises(InputError, match="task 'nose' gives points of the whole image, which no window sees"):
        Windowed(Formula(["nose"], bright), (8, 8))


def test_a_task_without_a_mirror_refuses_the_mirror_image() -> None:
    with pytest.raises(InputError, match=r"task 'kind' depends on the side \(mirror: false\): leave --flip out"):
        Predictor(Formula(["kind"], red, sides={"mirror": False}), flip=True)
    Predictor(Formula(["kind"], red, sides={"mirror": False}))


@pytest.mark.parametrize("resize", RESIZES)
def test_an_onnx_file_says_how_photos_fit(resize: Resize, tmp_path: Path) -> None:
    file = write_model(tmp_path / "a.onnx", {"afanet": json.dumps(told(resize=resize))})
    predictor = Predictor(file)
    assert predictor.model.about.resize == resize
    metres = predictor(np.full((*PORTRAIT, 3), 200, np.uint8))["depth"].metres  # type: ignore[attr-defined]
    assert metres.shape == PORTRAIT
    assert len(np.unique(metres.round(4))) == (2 if resize == "crop" else 1)  # no padding is left in it


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resize": "pad"}, "'resize' is 'pad', expected one of: stretch, letterbox, crop"),
        ({"resize": ["crop"]}, "'resize' is"),
        ({"swap": [[0, 5]]}, "'swap' is .*expected pairs"),
        ({"swap": {"a": "b"}}, "'swap' is"),
        ({"mirror": "no"}, "'mirror' is 'no', expected true or false"),
    ],
)
def test_what_a_file_says_of_sides_and_sizes_is_checked(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    of_file = {key: value for key, value in changes.items() if key == "resize"}
    of_task = {key: value for key, value in changes.items() if key != "resize"}
    tasks = {name: TASKS[name].meaning | of_task for name in ("depth", "kind")}
    file = write_model(tmp_path / "a.onnx", {"afanet": json.dumps(told(tasks=tasks, **of_file))})
    with pytest.raises(InputError, match=rf"a\.onnx .*{said}"):
        Predictor(file)
