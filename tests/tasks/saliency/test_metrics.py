"""The scores of saliency against what the public code computes, written again in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import fbeta_score

from afanet.tasks import Saliency
from afanet.tasks.saliency.metrics import ATRC_LEVELS, SaliencyScores

SHAPE = (5, 1, 4, 6)


def draw(seed: int, missing: float = 0.2) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, SHAPE)
    probability = np.clip(0.3 * truth + 0.7 * rng.random(SHAPE), 0, 1).astype(np.float32)
    return probability, np.where(rng.random(SHAPE) < missing, -1, truth).astype(np.int8)


def scores(metric: SaliencyScores, probability: NDArray[Any], truth: NDArray[Any]) -> dict[str, float]:
    for batch in (slice(0, 2), slice(2, 3), slice(3, 5)):
        metric.update(torch.from_numpy(probability[batch]), torch.from_numpy(truth[batch]))
    return {name: float(value) for name, value in metric.compute().items()}


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_f_measure_is_that_of_scikit_learn_at_the_best_level(seed: int) -> None:
    probability, truth = draw(seed)
    known = truth >= 0
    p, t = probability[known].astype(float), truth[known]
    assume(t.any())
    squashed = 1 / (1 + np.exp(-p))  # as InvPT and MTMamba have it
    for levels, values, metric in [
        (np.arange(0.05, 1, 0.05), squashed, SaliencyScores()),
        (ATRC_LEVELS, p, SaliencyScores(ATRC_LEVELS)),
    ]:
        f = [fbeta_score(t, values >= level, beta=0.3**0.5, zero_division=0) for level in levels]
        assert scores(metric, probability, truth)["max_f"] == pytest.approx(max(f), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_iou_is_averaged_over_images_before_the_best_level_is_taken(seed: int) -> None:
    probability, truth = draw(seed)
    truth[0] = -1  # an image without labels does not count
    means = []
    for level in np.linspace(0.2, 0.9, 15).astype(np.float32):
        ious = []
        for p, t in zip(probability[1:], truth[1:], strict=True):
            found, salient = (p > level) & (t >= 0), t == 1
            ious.append((found & salient).sum() / (found | salient).sum() if (found | salient).any() else 1)
        means.append(np.mean(ious))
    assert scores(SaliencyScores(), probability, truth)["miou"] == pytest.approx(max(means), abs=1e-12)


def test_an_empty_image_in_which_nothing_is_found_is_right() -> None:
    metric = SaliencyScores()
    metric.update(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.int8))
    assert {name: float(value) for name, value in metric.compute().items()} == {"max_f": 0, "miou": 1}


def test_without_labels_there_are_no_scores() -> None:
    metric = SaliencyScores()
    metric.update(torch.rand(2, 1, 3, 3), torch.full((2, 1, 3, 3), -1, dtype=torch.int8))
    assert all(value.isnan() for value in metric.compute().values())


def test_where_all_or_nothing_is_salient_scores_say_nothing() -> None:
    task = Saliency()
    assert task.unscorable([4, 0]) == task.unscorable([0, 4]) == "only one of 2 classes occurs"
    assert task.occurrences(torch.tensor([[[[0, 1, -1, 1]]]])).tolist() == [1, 2]
