"""What holds of every task that does not say otherwise, and what the documentation says of losses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import yaml

from afanet.errors import InputError
from afanet.networks import Dense
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Edges,
    HumanParts,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Saliency,
    Segmentation,
    Task,
    Vector,
)
from afanet.tasks.depth.losses import DEPTH_LOSSES
from afanet.tasks.loss_options import choose_loss

DECISIONS = {
    "segmentation": lambda estimate: estimate.argmax(1),
    "depth": lambda estimate: estimate,
    "normals": lambda estimate: estimate,
    "classification": lambda estimate: estimate.argmax(1),
    "ordinal": lambda estimate: (1 - estimate.cumsum(1) > 0.5).sum(1),
    "multi_label": lambda estimate: (estimate > 0.5).long(),
    "regression": lambda estimate: estimate,
    "dense_regression": lambda estimate: estimate,
    "vector": lambda estimate: estimate,
    "multi_label_segmentation": lambda estimate: (estimate > 0.5).to(torch.int8),
    "edges": lambda estimate: estimate,
    "saliency": lambda estimate: estimate,
    "human_parts": lambda estimate: estimate.argmax(1),
}
PROBABILITIES = ("segmentation", "classification", "ordinal", "human_parts")
TASKS = [
    Segmentation(["bed", "wall", "lamp"]),
    Depth(),
    Normals(),
    Classification("age", list("abc")),
    Ordinal("age", list("abcd")),
    MultiLabel("face", ["hat", "smile"]),
    Regression("age", 0, 100),
    DenseRegression("height", 0.0, 10.0, "m", "inverse"),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("task", [Saliency("x"), Ordinal("x", ["a", "b"]), Regression("x", 0, 1)], ids=type)
def test_a_loss_without_options_says_so(task: Task) -> None:
    message = (
        f"task 'x' is of kind {type(task).__name__}, whose loss takes no option but weight, found name: take it out"
    )
    with pytest.raises(InputError, match=message):
        task.with_loss({"name": "berhu"})


@pytest.mark.parametrize("task", TASKS, ids=type)
def test_a_prediction_is_what_its_estimate_decides(task: Task) -> None:
    shape = (64, task.output.channels, *((3, 5) if isinstance(task.output, Dense) else ()))
    logits = 4 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    estimate = task.estimate(logits)
    kind = task.meaning["kind"]
    assert estimate.dtype == torch.float32
    assert torch.equal(DECISIONS[kind](estimate), task.predict(logits))
    if kind in PROBABILITIES:
        assert estimate.min() >= 0
        torch.testing.assert_close(estimate.sum(1), torch.ones_like(estimate[:, 0]))


def test_the_documented_recipe_is_understood_and_every_loss_of_depth_is_listed() -> None:
    losses = yaml.safe_load(re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1])["losses"]
    depth = choose_loss(Depth(), losses["depth"])
    assert (depth.loss_name, depth.silog_weight, depth.loss_weight) == ("silog", 0.85, 0.5)
    assert Segmentation(["bed", "wall", "lamp"]).with_loss(losses["segmentation"]).class_weights == (5, 1, 10)
    assert Classification("age", list("abcd")).with_loss(losses["age"]).class_weights == (1, 1, 2, 2)
    assert set(re.findall(r"^\| depth \| `(\w+)`", DOCUMENT, re.MULTILINE)) == set(DEPTH_LOSSES)
