"""Losses that are no finite number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.tasks import Depth
from afanet.training.run import train

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def bad_from_step_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Depth has no finite loss in the third batch of a run."""
    loss, calls = Depth.loss, []

    def fail(self: Depth, *arguments: Any) -> torch.Tensor:
        calls.append(1)
        return loss(self, *arguments) * (float("nan") if len(calls) == 3 else 1)

    monkeypatch.setattr(Depth, "loss", fail)
    monkeypatch.setattr("afanet.training.learner.Learner.cosines", lambda self, batch: {})


@pytest.mark.usefixtures("bad_from_step_two")
def test_one_stops_the_run_with_task_step_and_batch(small: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the loss of task 'depth' is nan at step 3, in the batch of rooms") as caught:
        train(small(), tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "nonfinite.pt", weights_only=True)
    assert kept["step"] == 2
    assert set(kept["losses"]) == {"segmentation", "depth"}
    assert all(name in str(caught.value) for name in kept["batches"][0]["id"])
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["training"]["learner"]["step"] == 2


@pytest.mark.usefixtures("bad_from_step_two")
def test_it_is_left_out_and_counted_where_the_recipe_says_so(small: Callable[..., Recipe], tmp_path: Path) -> None:
    run = train(small(skip_nonfinite=True), tmp_path / "run")
    assert (run.results["steps"], run.results["skipped"]) == (4, 1)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(value.isfinite().all() for value in state.values())
