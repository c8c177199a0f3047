"""Networks at work: each loaded once, and each shown with images of its own."""

from __future__ import annotations

import pytest
import torch

from afanet.comparison.groups import Group, group_runs
from afanet.recipe.load import load_recipe
from afanet.report import examine as examining
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks
from afanet.training.run import train

KEYS = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.output_stride": 16,
    "data.size": [16, 16],
    "data.options.train_pairs": 16,
    "data.options.test_pairs": 30,
    "steps": 1,
    "workers": 0,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    folder = tmp_path_factory.mktemp("runs")
    for method in ("hard", "single", "cross_stitch"):
        train(load_recipe("digits", KEYS | {"network.method": method}), folder / method)
    return group_runs([load_run(path) for path in folder.iterdir()])


def test_each_network_is_loaded_once_and_two_are_held_at_most(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 3)
    loaded, held = [], 0

    class Counted(TaskPredictor):
        def __init__(self, *given: object) -> None:
            nonlocal held
            super().__init__(*given)
            held += 1
            loaded.append((self.run.recipe.network.method, held))

        def __del__(self) -> None:
            nonlocal held
            held -= 1

    monkeypatch.setattr(examining, "TaskPredictor", Counted)
    data, tasks = open_tasks(groups[0].recipe)
    found = examining.examine(groups, data, tasks)
    assert sorted(method for method, _ in loaded) == ["cross_stitch", "hard", "single"]
    assert [count for _, count in loaded] == [1, 2, 2]
    assert list(found.methods) == [group.title for group in groups]
    single, others = found.methods["single"], [one for title, one in found.methods.items() if title != "single"]
    assert set(single.predictions) == {index for one in others for index in one.predictions}
    assert single.gains == {}
    assert [one.connections is not None for one in found.methods.values()] == [
        group.title == "cross_stitch" for group in groups
    ]
    for title, one in found.methods.items():
        [group] = [group for group in groups if group.title == title]
        [index, *_] = one.predictions
        again = TaskPredictor(group.runs[0], tasks).predict(read_test_samples(data, tasks, [index])["image"])
        assert all(torch.equal(again[name][0], value) for name, value in one.predictions[index].items())


def test_without_single_task_images_are_spread_and_gain_nothing(
    groups: list[Group], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 3)
    data, tasks = open_tasks(groups[0].recipe)
    hard = [group for group in groups if group.title == "hard"]
    found = examining.examine(hard, data, tasks).methods["hard"]
    assert found.gains == {}
    assert min(found.predictions) == 0
    assert max(found.predictions) == 29
    alone = examining.examine(groups[:1], data, tasks).methods["single"]
    assert list(alone.predictions) == list(found.predictions)


def test_with_another_baseline_gains_are_over_that(groups: list[Group], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 3)
    data, tasks = open_tasks(groups[0].recipe)
    by_title = {group.title: group for group in groups}
    pair = [by_title["cross_stitch"], by_title["single"]]
    turned = examining.examine(pair, data, tasks, "cross_stitch").methods
    usual = examining.examine(pair[::-1], data, tasks).methods
    assert turned["cross_stitch"].gains == usual["single"].gains == {}
    for task, gains in turned["single"].gains.items():
        assert gains == pytest.approx([-gain for gain in usual["cross_stitch"].gains[task]], nan_ok=True)
    assert set(turned["cross_stitch"].predictions) == set(turned["single"].predictions)
    assert turned["cross_stitch"].connections is not None
