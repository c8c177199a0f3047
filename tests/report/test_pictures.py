"""Pictures of predictions: that they are there, whole, and show what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from afanet.data import Batch
from afanet.report import draw_predictions
from afanet.tasks import Classification, Depth, Segmentation, Task

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
    assert (123, 116, 103) in found  # the mean of ImageNet is what a normalised zero looks like
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
