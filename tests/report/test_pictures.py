"""Pictures of predictions: that they are there, whole, and show what they say."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from PIL import Image

from afanet.data import Batch
from afanet.report import draw_predictions
from afanet.report.gallery import _shown
from afanet.report.inspect_page import overlay
from afanet.report.pictures import as_url, unpadded_picture
from afanet.tasks import Classification, DenseTask, Depth, MultiLabelSegmentation, Normals, Saliency, Segmentation, Task

from ..bounds import bounded

TASKS: dict[str, Task] = {
    "segmentation": Segmentation(["a", "b"]),
    "depth": Depth(),
    "age": Classification("age", ["young", "old"]),
}
TARGETS = {
    "segmentation": torch.tensor([[[0, 1], [1, 255]]]).repeat_interleave(8, 1).repeat_interleave(8, 2),
    "depth": torch.full((1, 1, 16, 16), 9.99),
    "age": torch.tensor([1]),
}


def examples(tasks: list[str]) -> Batch:
    image = torch.zeros(1, 3, 16, 16)
    return {"image": image, "targets": {name: TARGETS[name] for name in tasks}, "id": ["one"]}


def colours(file: Path) -> set[tuple[int, ...]]:
    pixels = (imread(file)[..., :3] * 255).round().astype(np.uint8)
    return {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}


@pytest.mark.parametrize("names", [["segmentation"], ["depth"], ["segmentation", "depth", "age"], ["age"]])
@pytest.mark.parametrize("runs", [1, 2])
def test_truth_and_legend_are_drawn_for_any_mix_of_tasks(names: list[str], runs: int, tmp_path: Path) -> None:
    tasks = {name: TASKS[name] for name in names}
    predictions = {f"run {index}": {name: TARGETS[name] for name in names} for index in range(runs)}
    draw_predictions(tmp_path / "picture.png", examples(names), tasks, predictions)
    found = colours(tmp_path / "picture.png")
    assert (124, 116, 104) in found  # the mean of ImageNet is what a normalised zero looks like
    if "segmentation" in names:
        assert {(63, 144, 218), (255, 169, 14), (0, 0, 0)} <= found
    if "depth" in names:
        assert (253, 231, 36) in found


def test_more_runs_make_a_wider_picture(tmp_path: Path) -> None:
    shapes = []
    for runs in (1, 2):
        predictions = {f"run {index}": {"depth": TARGETS["depth"]} for index in range(runs)}
        file = tmp_path / f"{runs}.png"
        draw_predictions(file, examples(["depth"]), {"depth": TASKS["depth"]}, predictions)
        shapes.append(imread(file).shape)
    assert shapes[1][1] > shapes[0][1]


@pytest.mark.parametrize("size", [(4096, 1), (1, 4096), (1, 1)])
def test_pictures_of_extreme_shape_make_no_extreme_page(size: tuple[int, int], tmp_path: Path) -> None:
    image = torch.zeros(4, 3, *size)
    depth = torch.ones(4, 1, *size)
    batch: Batch = {"image": image, "targets": {"depth": depth}, "id": ["a", "b", "c", "d"]}
    with bounded(30):
        draw_predictions(tmp_path / "picture.png", batch, {"depth": TASKS["depth"]}, {"afa": {"depth": depth}})
    assert max(imread(tmp_path / "picture.png").shape) < 6000
    assert as_url(np.zeros((*size, 3), np.uint8), "JPEG").startswith("data:image/jpeg")
    assert overlay(np.zeros((*size, 3), np.uint8), np.zeros((3, 3), np.float32)).shape == (*size, 3)


def test_many_words_stay_below_their_picture(tmp_path: Path) -> None:
    """Twelve tasks are told below an image in more lines, not in longer ones, which would widen the picture."""
    sizes = []
    for count in (1, 12):
        tasks: dict[str, Task] = {
            f"t{number}": Classification(f"t{number}", ["young", "old"]) for number in range(count)
        }
        values = {name: torch.tensor([1]) for name in tasks}
        batch: Batch = {"image": torch.zeros(1, 3, 16, 16), "targets": values, "id": ["one"]}
        draw_predictions(tmp_path / f"{count}.png", batch, tasks, {"run": values})
        sizes.append(imread(tmp_path / f"{count}.png").shape)
    assert sizes[1][1] < 1.1 * sizes[0][1]
    assert sizes[1][0] > sizes[0][0]


DENSE: list[DenseTask] = [
    Segmentation(["a", "b"]),
    Depth(),
    Normals(),
    Saliency(),
    MultiLabelSegmentation(["a", "b"], "wet"),
]
PADDING = torch.arange(16)[:, None].expand(16, 16) < 4


@pytest.mark.parametrize("task", DENSE, ids=lambda task: task.name)
def test_predictions_are_black_in_the_padding_alone(task: DenseTask) -> None:
    prediction = task.predict(torch.rand(1, task.output.channels, 16, 16) + 0.1)[0]
    drawn, whole = unpadded_picture(task, prediction, PADDING), task.picture(prediction)
    assert (drawn[:4] == 0).all()
    assert np.array_equal(drawn[4:], whole[4:])
    assert whole[:4].any(-1).all()  # the answer itself stays as it is


def test_a_report_shows_padding_as_in_the_truth() -> None:
    task = Segmentation(["a", "b"])
    truth = torch.ones(16, 16, dtype=torch.int64).masked_fill(PADDING, task.void)
    shown = _shown(task, truth, {"afa": torch.ones(16, 16, dtype=torch.int64)}, PADDING)
    drawn = [decoded(url) for url in (shown["truth"], shown["predictions"]["afa"])]
    assert np.array_equal(*drawn)
    assert (decoded(shown["errors"]["afa"])[:4] == 128).all()


def decoded(url: str) -> np.ndarray[Any, Any]:
    return np.array(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


@pytest.mark.parametrize("name", ["segmentation", "depth"])
@pytest.mark.parametrize("lacks", [True, False])
def test_the_legend_explains_black_where_it_occurs(
    name: str, lacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *given, **kept: [figures.append(figure), save(figure, *given, **kept)]
    )
    task, absent = TASKS[name], 255 if name == "segmentation" else 0
    predicted = torch.ones_like(TARGETS[name])
    truth = predicted.masked_fill(PADDING, absent) if lacks else predicted
    batch: Batch = {"image": torch.zeros(1, 3, 16, 16), "targets": {name: truth}, "id": ["one"]}
    draw_predictions(tmp_path / "picture.png", batch, {name: task}, {"afa": {name: predicted}})
    words = [text.get_text() for text in figures[0].findobj(Text)]
    assert ("no label" in words) == lacks
    assert name == "depth" or {"a", "b"} <= set(words)  # also a class that occurs nowhere
