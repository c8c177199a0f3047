"""What tasks learn from a batch: their outputs, and the initial predictions that some networks make."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from afanet.tasks import Depth, Segmentation, Task
from afanet.tasks.across import ALONE
from afanet.training.objective import Objective

TASKS: dict[str, Task] = {"depth": Depth(), "segmentation": Segmentation(["wall", "floor"])}


def batch_of(depth: Tensor, segmentation: Tensor) -> dict[str, Any]:
    targets = {"depth": depth, "segmentation": segmentation}
    return {"image": torch.zeros(2, 3, 4, 4), "targets": targets}


def test_a_loss_is_the_sum_over_the_output_and_all_initial_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TASKS["depth"], "loss_weight", 2.0)
    batch = batch_of(torch.rand(2, 1, 4, 4) + 1, torch.randint(2, (2, 4, 4)))
    depths, classes = torch.randn(3, 2, 1, 4, 4), torch.randn(2, 2, 4, 4)
    objective = Objective(TASKS, ALONE)
    logits = {"depth": depths[0], "depth.0": depths[1], "depth.1": depths[2], "segmentation": classes}
    depth, segmentation = objective.losses(logits, batch, {})
    each = [TASKS["depth"].loss(y, batch["targets"]["depth"], ALONE) for y in depths]
    assert_close(depth, 2 * sum(each))
    assert_close(segmentation, TASKS["segmentation"].loss(classes, batch["targets"]["segmentation"], ALONE))
