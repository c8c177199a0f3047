"""Human parts are segmentation of the images with people, and of them alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks import HumanParts, Segmentation
from afanet.tasks.human_parts.column import HumanPartsColumn
from afanet.tasks.human_parts.people import PARTS

TASK = HumanParts()


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits, targets of which two images have nobody, and the numbers of those that have somebody."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 7, 4, 6, generator=generator)
    target = torch.randint(0, 7, (5, 4, 6), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    target[1], target[3] = 0, target[3].clamp(max=0) + 255 * (target[3] > 3)
    return logits, target, torch.tensor([0, 2, 4])


def test_loss_and_scores_are_those_of_segmentation_over_the_images_with_people() -> None:
    logits, target, people = batch()
    segmentation = Segmentation(PARTS)
    torch.testing.assert_close(TASK.loss(logits, target), segmentation.loss(logits[people], target[people]))
    ours, theirs = TASK.metrics(), segmentation.metrics()
    ours.update(TASK.predict(logits), target)
    theirs.update(segmentation.predict(logits[people]), target[people])
    assert {k: float(v) for k, v in ours.compute().items()} == {k: float(v) for k, v in theirs.compute().items()}


def test_an_image_without_people_has_no_gradient_and_no_error() -> None:
    logits, target, people = batch()
    logits.requires_grad_()
    TASK.loss(logits, target).backward()
    assert logits.grad is not None
    assert logits.grad.flatten(1).any(1).nonzero()[:, 0].tolist() == people.tolist()
    assert TASK.error(TASK.predict(logits)[1], target[1]).isnan().all()
    assert TASK.tally(target[1]).sum() == 0


def test_a_set_without_people_is_not_scored() -> None:
    metrics = TASK.metrics()
    metrics.update(torch.zeros(2, 3, 3, dtype=torch.int64), torch.zeros(2, 3, 3, dtype=torch.int64))
    assert metrics.read()[1].labels == 0


def test_parts_beyond_the_seven_are_refused_by_number(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 6, 255]], np.uint8)).save(file)
    assert declare(HumanPartsColumn, {}, "x").read(file).tolist() == [[0, 6, 255]]
    Image.fromarray(np.array([[0, 7, 14]], np.uint8)).save(file)
    with pytest.raises(InputError, match="has the ids 7 in 1 pixel, 14 in 1 pixel, expected those of 7 classes from 0"):
        declare(HumanPartsColumn, {}, "x").read(file)
    assert TASK.fault(torch.tensor([[0, 9]])) == "label 9, expected 0 to 6"


def test_other_parts_are_declared_as_classes_are() -> None:
    assert declare(HumanPartsColumn, {}, "x").task("parts").names == PARTS
    task = declare(HumanPartsColumn, {"ids": {0: "none", 5: "hand"}}, "x").task("parts")
    assert (type(task), task.name, task.names) == (HumanParts, "parts", ("none", "hand"))
    coloured = declare(HumanPartsColumn, {"colours": {"none": [0, 0, 0], "hand": [9, 9, 9]}}, "x").task("parts")
    assert coloured.names == ("none", "hand")
