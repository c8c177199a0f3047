"""Training on resident data: the same run, exactly resumed and shared out, without workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afanet.data import Data, Split
from afanet.data.features import KeptFeatures
from afanet.data.prepare import prepare
from afanet.data.resident import resident
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.setup import data_cache, open_tasks, open_whole
from afanet.training.kept import require_images
from afanet.training.learner import Learner
from afanet.training.loaders import scoring_loader, train_loader
from afanet.training.run import train

Small = Callable[..., Recipe]


@pytest.fixture
def whole(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """Makes recipes of moments with resident data, whose cache is this test's own."""
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    recipe = small(**{"data.resident": True})
    prepare(open_whole(recipe), data_cache(recipe), workers=0)
    return lambda **options: small(**{"data.resident": True} | options)


def opened(recipe: Recipe) -> tuple[Data, Data]:
    data, tasks = open_tasks(recipe)
    return data, resident(data, tasks, torch.device("cpu"))


@pytest.mark.usefixtures("tiny")
def test_a_run_is_the_same_and_resumes_to_the_same_bits(
    whole: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"checkpoint_every": 1, "workers": 2}
    plain = train(whole(**options | {"data.resident": False, "workers": 0}), tmp_path / "plain")
    run = train(whole(**options), tmp_path / "whole")
    for name, task in run.tasks.items():
        assert run.score(name, task.main_metric) == pytest.approx(plain.score(name, task.main_metric), rel=1e-2)
    logs = [np.genfromtxt(each.folder.log, delimiter=",", names=True)["loss"] for each in (plain, run)]
    assert logs[1] == pytest.approx(logs[0], rel=1e-3)
    learn = Learner.learn

    def until(self: Learner, *arguments: Any) -> Any:
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", until)
        with pytest.raises(KeyboardInterrupt):
            train(whole(**options), tmp_path / "killed")
    torch.rand(7)
    again = train(whole(**options), tmp_path / "killed", resume=True)
    assert again.results["tasks"] == run.results["tasks"]
    kept, resumed = (read_checkpoint(each.folder.checkpoint)["state_dict"] for each in (run, again))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in kept.items())


def test_the_processes_share_out_every_batch_and_no_worker_reads(whole: Small) -> None:
    recipe = whole(workers=2)
    _, data = opened(recipe)
    loaders = [train_loader(data, recipe, rank, world) for rank, world in ((0, 1), (0, 2), (1, 2))]
    assert [loader.num_workers for loader in loaders] == [0, 0, 0]
    for every, *shares in zip(*loaders, strict=True):
        for name in ("segmentation", "depth"):
            together = torch.stack([share["targets"][name] for share in shares], 1).flatten(0, 1)
            assert torch.equal(together, every["targets"][name])
    scoring = [scoring_loader(data, data.test, recipe, rank, 2) for rank in (0, 1)]
    assert [loader.num_workers for loader in scoring] == [0, 0]
    tested = [name for loader in scoring for batch in loader for name in batch["id"]]
    assert sorted(tested) == sorted(sample["id"] for sample in data.test)


def test_the_cache_is_that_of_runs_without_resident_data(whole: Small) -> None:
    assert data_cache(whole()) == data_cache(whole(**{"data.resident": False}))


@pytest.mark.usefixtures("tiny")
def test_data_that_cannot_be_resident_are_refused_before_a_folder_is_made(
    whole: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.limits.available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"data\.resident needs .* MB in the memory of cpu"):
        train(whole(), tmp_path / "run")
    with pytest.raises(InputError, match="the train split has none: run `afanet data prepare`"):
        train(whole(**{"data.options.train_scenes": 11}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_kept_features_in_place_of_images_are_refused(whole: Small) -> None:
    train_split = open_tasks(whole())[0].train
    require_images(train_split)
    read = KeptFeatures.__new__(KeptFeatures)
    read.folder = Path("somewhere/kept")
    with pytest.raises(InputError, match=r"would read the kept features in kept instead: set data\.features to none"):
        require_images(Split(read, train_split.items, train_split.transform))
