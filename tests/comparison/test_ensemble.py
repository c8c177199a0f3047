"""The average of two single-task networks' predictions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from afanet.comparison.ensemble import ensemble_scores, pairs
from afanet.comparison.resampling import Draw
from afanet.data import Collate
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run, load_run
from afanet.training.run import train


def with_seed(run: Run, seed: int, folder: Path) -> Run:
    """The same networks as a run of another seed."""
    shutil.copytree(run.path, folder)
    (folder / "recipe.yaml").write_text(dump_recipe(run.recipe.model_copy(update={"seed": seed})))
    return load_run(folder)


@pytest.mark.usefixtures("tiny")
def test_it_averages_estimates_and_of_equal_networks_is_what_they_are(
    small: Callable[..., Recipe], tmp_path: Path
) -> None:
    runs = [train(small(seed=seed, **{"network.method": "single"}), tmp_path / str(seed)) for seed in (0, 1)]
    twins = [runs[0], *(with_seed(runs[0], seed, tmp_path / f"twin-{seed}") for seed in (1, 2))]
    same = ensemble_scores(twins)
    assert list(same) == [Draw(None, seed) for seed in range(3)]
    for of_draw in same.values():
        for task, scores in of_draw.items():
            assert scores.compute() == pytest.approx(runs[0].scores[task], rel=1e-6)
    [(draw, of_pair)] = ensemble_scores(runs).items()
    assert draw == Draw(None, 0)
    assert ensemble_scores(runs[:1]) == {}
    data, tasks = runs[0].open()
    batch = Collate(tasks)([data.test[number] for number in range(len(data.test))])
    with torch.no_grad():
        logits = [run.network()(batch["image"]) for run in runs]
    classes = sum(each["segmentation"].softmax(1) for each in logits).argmax(1)
    known = batch["targets"]["segmentation"] != tasks["segmentation"].void
    right = (classes == batch["targets"]["segmentation"])[known].float().mean().item()
    assert of_pair["segmentation"].compute()["pixel_accuracy"] == pytest.approx(right, abs=1e-6)
    metres = sum(tasks["depth"].predict(each["depth"]) for each in logits) / 2
    truth = batch["targets"]["depth"]
    wrong = (metres - truth).abs()[truth > 0].mean().item()
    assert of_pair["depth"].compute()["abs"] == pytest.approx(wrong, rel=1e-5)


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("c", [0.0, 0.3, 1.0, 1.6])
def test_the_interval_over_a_circle_of_ensembles_is_too_wide_rather_than_too_narrow(seeds: int, c: float) -> None:
    """Exactly: the differences are M a with independent a of variance 1, so that their covariance is M M^T."""
    mixed = -np.eye(seeds)
    for number, (first, second) in enumerate(pairs(seeds)):
        mixed[number, [first, second]] += c / 2
    covariance = mixed @ mixed.T
    of_mean = covariance.mean()
    naive = (np.trace(covariance) - seeds * of_mean) / (seeds - 1) / seeds
    assert of_mean == pytest.approx((1 - c) ** 2 / seeds)
    assert naive == pytest.approx(((1 - c) ** 2 + seeds / (seeds - 1) * (c - c**2 / 2)) / seeds)
    assert naive >= of_mean - 1e-12
    drawn = np.random.default_rng(0).normal(size=(40_000, seeds)) @ mixed.T
    assert drawn.mean(1).var() == pytest.approx(of_mean, rel=0.05, abs=1e-12)
    assert (drawn.var(1, ddof=1) / seeds).mean() == pytest.approx(naive, rel=0.05)
