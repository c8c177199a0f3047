"""Runs whose recipe asks for balanced weights or a sampler."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from afanet.data import Data, Split
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.setup import open_tasks
from afanet.training.counting import counted
from afanet.training.job import prepare
from afanet.training.run import evaluate, train

BALANCED = {"losses": {"segmentation": {"class_weights": "balanced"}}}


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def labels(data: Data) -> torch.Tensor:
    split = Split(data.train.read, data.train.items, data.test.transform)
    values = torch.cat([sample["targets"]["segmentation"].flatten() for sample in split])
    return values[values != 255]


@pytest.mark.usefixtures("tiny")
def test_a_run_learns_by_scikit_learns_weights_and_keeps_the_counts(
    small: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(**BALANCED)
    run = train(recipe, tmp_path / "run")
    said = capsys.readouterr().err
    data, tasks = open_tasks(recipe)
    names, truth = tasks["segmentation"].names, labels(data).numpy()
    counts = torch.bincount(torch.from_numpy(truth), minlength=len(names))
    assert run.results["label_counts"] == {"segmentation": counts.tolist()}
    assert read_checkpoint(run.path / "last.ckpt")["training"]["label_counts"] == {"segmentation": counts.tolist()}
    present = counts.nonzero()[:, 0].numpy()
    weights = compute_class_weight("balanced", classes=present, y=truth)
    assert f"class_weights of 'segmentation', balanced over {counts.sum():,} labels: " in said
    listed = {name: float(weight) for name, weight in re.findall(r"(\w+) ([\d.]+)(?:,|\n)", said.split("labels: ")[1])}
    for number, weight in zip(present, weights, strict=True):
        assert listed[names[number]] == pytest.approx(weight, rel=0.01)
    explicit = dict.fromkeys(names, 1.0) | {names[n]: w for n, w in zip(present, weights.tolist(), strict=True)}
    same = train(small(losses={"segmentation": {"class_weights": explicit}}), tmp_path / "same")
    first, second = (read_checkpoint(one.path / "last.ckpt")["state_dict"] for one in (run, same))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.usefixtures("tiny")
def test_nothing_is_counted_again_by_what_goes_on_or_scores(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(small(**BALANCED), tmp_path / "run")
    kept = {"segmentation": run.results["label_counts"]["segmentation"]}

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("labels are counted")

    monkeypatch.setattr("afanet.training.counting.take_census", refuse)
    assert evaluate(run.path).results["tasks"] == run.results["tasks"]
    job = prepare(small(**BALANCED))
    assert counted(job, kept).counts == kept
    with pytest.raises(InputError, match="the run has counted 3 classes of task 'segmentation', and now it has"):
        counted(job, {"segmentation": [1, 2, 3]})
    assert counted(prepare(small()), {}).counts == {}


@pytest.mark.usefixtures("tiny")
def test_a_sampler_draws_each_class_equally_often(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"sampler.tasks": ["left"], "data.options.train_pairs": 50, "data.options.test_pairs": 2}
    recipe = load_recipe("digits", options | {"device": "cpu", "precision": "float32"})
    job = counted(prepare(recipe), {})
    assert job.data.chances is not None
    targets = [int(job.data.train.read(item)["targets"]["left"]) for item in job.data.train.items]
    totals = torch.zeros(10, dtype=torch.float64).index_add_(
        0, torch.tensor(targets), torch.from_numpy(job.data.chances)
    )
    torch.testing.assert_close(totals[totals > 0], torch.full_like(totals[totals > 0], 1 / len(set(targets))))
    assert "training samples are drawn by their labels of left\n" in capsys.readouterr().err
