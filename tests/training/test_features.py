"""Kept features of a frozen trunk: training from them is as from the images, and others are recognised."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet.data import features as kept_features
from afanet.data.features import KeptFeatures
from afanet.data.prepare import abandoned
from afanet.errors import InputError
from afanet.networks.backbones import Backbone
from afanet.recipe.schema import Recipe
from afanet.runs.setup import data_cache
from afanet.training.counting import counted
from afanet.training.features import find_features, lacks_augmentation, prepare_features
from afanet.training.job import Job, prepare
from afanet.training.loaders import train_loader
from afanet.training.run import train

FROZEN = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.freeze": "backbone",
    "network.method": "single",
    "data.options.augment": False,
    "data.options.train_scenes": 8,
    "data.options.test_scenes": 4,
    "optimizer.lr": 1e-4,
}
Frozen = Callable[..., Recipe]


@pytest.fixture
def frozen(small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Frozen:
    """Makes recipes of moments with a frozen backbone; their caches are this test's own."""
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    return lambda **options: small(**FROZEN | options)


def keep(recipe: Recipe, views: int = 0) -> Path:
    return prepare_features(prepare(recipe), views, workers=0, advance=lambda rows: None)[0]


class Trained(NamedTuple):
    recipe: Recipe
    uncached: Any
    cached: Any
    folder: Path
    said: str
    passes: list[int]


@pytest.fixture
def both(
    frozen: Frozen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Trained:
    """The same run twice, the second from kept features, with the trunk's passes over training batches in each."""
    count: Counter[str] = Counter()
    forward = Backbone.forward

    def counted(self: Backbone, image: Tensor) -> tuple[Tensor, ...]:
        count["passes"] += torch.is_grad_enabled() and len(image) == 4
        return forward(self, image)

    monkeypatch.setattr(Backbone, "forward", counted)
    recipe = frozen()
    uncached = train(recipe, tmp_path / "uncached")
    before = count["passes"]
    folder = keep(recipe)
    capsys.readouterr()
    cached = train(recipe, tmp_path / "cached")
    passes = [before, count["passes"] - before]
    return Trained(recipe, uncached, cached, folder, capsys.readouterr().err, passes)


def test_training_from_features_is_as_from_images(both: Trained, tmp_path: Path) -> None:
    for name, task in both.uncached.tasks.items():  # of a network that has hardly learnt, other scores jump by pixels
        expected = both.uncached.score(name, task.main_metric)
        assert both.cached.score(name, task.main_metric) == pytest.approx(expected, abs=1e-3)
    logs = [np.genfromtxt(run.folder.log, delimiter=",", names=True)["loss"] for run in (both.uncached, both.cached)]
    assert logs[1] == pytest.approx(logs[0], rel=1e-3)
    assert both.passes == [6, 0]  # one for both tasks, at each of four steps and two epochs' ends; none
    assert (
        f"reading features of the frozen trunk from {both.folder}: each image once, without augmentation" in both.said
    )
    assert both.cached.results["features"] == both.folder.name
    assert both.uncached.results["features"] is None
    assert not both.cached.results["without_augmentation"]  # the recipe has none
    # The kept weights have the trunk, so that everything that reads the run computes.
    weights = both.cached.network().state_dict()
    assert all(torch.equal(x, weights[k]) for k, x in both.uncached.network().state_dict().items() if ".backbone." in k)
    # A run goes on with what it began with: here as if each had been killed just before its end.
    both.uncached.folder.metrics.unlink()
    both.cached.folder.metrics.unlink()
    train(both.recipe, tmp_path / "uncached", resume=True)
    shutil.rmtree(both.folder)
    with pytest.raises(InputError, match=f"began with the kept features in {both.folder}, which no longer exist"):
        train(both.recipe, tmp_path / "cached", resume=True)


def test_a_sampler_draws_the_same_images_from_features(frozen: Frozen) -> None:
    recipe = frozen(**{"sampler.tasks": ["segmentation"], "batch_size": 4})
    job = counted(prepare(recipe), {})
    keep(recipe)
    kept = find_features(job, {})
    assert kept is not None
    drawn = [
        [name for batch in train_loader(data, recipe) for name in batch["id"]]
        for data in (job.data, replace(job.data, train=kept))
    ]
    assert drawn[0] == drawn[1]
    assert job.data.chances is not None


@pytest.mark.parametrize(("freeze", "method"), [("stages:2", "single"), ("backbone", "afa")])
def test_a_step_learns_from_features_what_it_learns_from_images(frozen: Frozen, freeze: str, method: str) -> None:
    recipe = frozen(**{"network.freeze": freeze, "network.method": method})
    job = prepare(recipe)
    keep(recipe)
    split = find_features(job, {})
    assert split is not None
    batch = [split[i] for i in range(4)]
    images = torch.stack([job.data.train[i]["image"] for i in range(4)])
    features = {name: torch.stack([sample["features"][name] for sample in batch]) for name in batch[0]["features"]}
    parameters = {name: p for name, p in job.network.named_parameters() if p.requires_grad}

    def gradients(images: Tensor) -> dict[str, Tensor]:
        loss = torch.stack([y.square().mean() for y in job.network.eval()(images).values()]).sum()
        return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))

    expected = gradients(images)
    with job.network.trunk.given(job.network, features):
        actual = gradients(torch.zeros_like(images))
    # Of all parameters together: features are kept rounded, and where one turns a ReLU, a single gradient jumps.
    off = sum((actual[name] - gradient).square().sum() for name, gradient in expected.items())
    assert off <= 0.01**2 * sum(gradient.square().sum() for gradient in expected.values())
    for name, gradient in expected.items():
        assert (actual[name] - gradient).norm() <= 0.05 * gradient.norm(), name
    for sample, i in zip(batch, range(4), strict=True):
        original = job.data.train[i]
        assert sample["id"] == original["id"]
        assert all(
            torch.equal(x, original["targets"][task].as_subclass(Tensor)) for task, x in sample["targets"].items()
        )


def test_views_are_augmented_with_their_labels_and_drawn_by_the_seed(frozen: Frozen, tmp_path: Path) -> None:
    recipe = frozen(**{"data.options.augment": True})
    read = KeptFeatures(keep(recipe, views=3))
    first = [read.row(8 * view)["targets"]["depth"] for view in range(3)]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[1], first[2])
    split, drawn = read.split(), set()
    assert len(split) == 8
    for seed in range(12):
        torch.manual_seed(seed)
        sample = split[0]
        drawn.add(next(view for view in range(3) if torch.equal(sample["targets"]["depth"], first[view])))
    assert drawn == {0, 1, 2}
    one, two = (train(recipe, tmp_path / name) for name in ("one", "two"))
    assert one.scores == two.scores
    # What a view's features and labels are of: one draw of the augmented split.
    assert find_features(prepare(frozen(seed=1, **{"data.options.augment": True})), {}) is None


def test_features_of_another_trunk_are_not_read_and_a_line_says_why(
    frozen: Frozen, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = keep(frozen())

    def reason(**options: Any) -> str:
        capsys.readouterr()
        assert find_features(prepare(frozen(**options)), {}) is None
        return capsys.readouterr().err

    assert f"the kept features in {folder} are not read (they are of other weights)" in reason(seed=1)
    assert "of another backbone" in reason(**{"network.backbone": "resnet18"})
    assert "of other frozen stages" in reason(**{"network.freeze": "stages:2"})
    assert "of a backbone of other options" in reason(**{"network.output_stride": 32})
    assert "network.compile includes the trunk" in reason(**{"network.compile": True})
    assert "features" not in reason(**{"network.freeze": None})


def test_features_that_are_not_what_they_say_are_refused(frozen: Frozen) -> None:
    recipe, other = frozen(), frozen(seed=1)
    job = prepare(recipe)
    folder = keep(recipe)
    assert find_features(job, {}) is not None
    foreign = keep(other)
    for file in foreign.glob("features.*.npy"):  # features of other weights under the name of these
        shutil.copy(file, folder)
    with pytest.raises(InputError, match=r"has other features of .* than this backbone with these weights gives"):
        find_features(job, {})
    shutil.copy(foreign / "index.json", folder)
    with pytest.raises(InputError, match="of another backbone, of other weights or of other images than its name says"):
        find_features(job, {})
    (folder / "index.json").write_text("{")
    with pytest.raises(InputError, match="is not a complete folder of features"):
        find_features(job, {})
    shutil.rmtree(folder)
    keep(recipe)
    index = json.loads((folder / "index.json").read_text())
    for key, value in {"targets": index["targets"][:1], "image": [3, 9, 9]}.items():
        (folder / "index.json").write_text(json.dumps(index | {key: value}))
        with pytest.raises(InputError, match=r"has images or labels of other shapes than .* has: remove the folder"):
            find_features(job, {})
    (folder / "index.json").write_text(json.dumps(index | {"image": [3, 2]}))
    with pytest.raises(InputError, match="is not a complete folder of features"):
        find_features(job, {})
    (folder / "index.json").write_text(json.dumps(index))
    np.save(folder / "features.0.0.npy", np.full_like(np.load(folder / "features.0.0.npy"), np.nan))
    with pytest.raises(InputError, match=r"has other features of .* than this backbone"):
        find_features(job, {})
    np.save(folder / "features.0.0.npy", np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"features\.0\.0 has 3 rows for 8 samples"):
        find_features(job, {})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"network.freeze": None}, "no stage of the backbone is frozen: give --freeze backbone"),
        ({"network.freeze": "norms"}, "no stage of the backbone is frozen"),
        ({"network.method": "mtan"}, "'mtan' reads more of this backbone"),
        ({"data.crop": [16, 16]}, "data.crop cuts a random part"),
    ],
)
def test_what_has_no_features_to_keep_is_said(frozen: Frozen, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        keep(frozen(**options))


def test_nothing_is_left_where_features_cannot_be_kept(frozen: Frozen, monkeypatch: pytest.MonkeyPatch) -> None:
    job: Job = prepare(frozen())
    folder = data_cache(job.recipe)

    def refused(sentence: str) -> None:
        with pytest.raises(InputError, match=sentence):
            prepare_features(job, 0, 0, lambda rows: None)
        assert not abandoned(folder)
        assert not list(folder.glob("*features*"))

    with monkeypatch.context() as full:
        full.setattr(kept_features.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
        refused("the features need 0.0 GB, and the disk of .* has 0.0 GB left: make room")
    with torch.no_grad():
        for parameter in job.network.get_submodule("branches.segmentation.backbone").parameters():
            parameter.mul_(1000)
    refused("the trunk's features (reach .*|are not finite), but half precision")


def test_an_index_holds_plain_values(frozen: Frozen) -> None:
    index = json.loads((keep(frozen()) / "index.json").read_text())
    assert index["description"]["backbone"] == "test_resnet"
    assert len(index["ids"]) == 8


def test_heads_and_taps_decide_the_features(frozen: Frozen, capsys: pytest.CaptureFixture[str]) -> None:
    vit = {"network.backbone": "test_vit", "data.size": [160, 160], "network.output_stride": 32}
    vit |= {"network.method": "hard", "network.head": "linear", "network.taps": [0, 1, 2, 5]}
    keep(frozen(**vit))
    for key, value, reason in (
        ("network.head", "deeplabv3plus", "other stages than these heads take"),
        ("network.taps", [0, 1, 3, 5], "other taps of the backbone"),
    ):
        capsys.readouterr()
        assert find_features(prepare(frozen(**vit | {key: value})), {}) is None
        assert f"they are of {reason}" in capsys.readouterr().err
    assert find_features(prepare(frozen(**vit)), {}) is not None


def test_which_tasks_learn_decides_no_features(frozen: Frozen) -> None:
    keep(frozen(**{"network.method": "hard"}))
    for tasks in (["depth"], ["segmentation"], ["depth", "segmentation"]):
        assert find_features(prepare(frozen(tasks=tasks, **{"network.method": "hard"})), {}) is not None


@pytest.mark.parametrize("broken", ["{", '{"description": {"format": 2, "views": 0}}', '{"description": 3}'])
def test_a_damaged_folder_of_another_trunk_stops_no_run(
    frozen: Frozen, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = keep(frozen(seed=1))
    (other / "index.json").write_text(broken)
    job = prepare(frozen())
    capsys.readouterr()
    assert find_features(job, {}) is None
    assert f"the kept features in {other} are not read (the folder is damaged: remove it)" in capsys.readouterr().err
    ours = keep(job.recipe)
    assert find_features(job, {}) is not None
    (ours / "index.json").write_text(broken)
    with pytest.raises(InputError, match=f"{ours} is not a complete folder of features"):
        find_features(job, {})


def test_a_run_says_what_it_lacks_and_can_do_without_kept_features(frozen: Frozen) -> None:
    recipe = frozen(**{"data.options.augment": True})
    keep(recipe)

    def lacks(recipe: Recipe) -> bool:
        job = prepare(recipe)
        features = find_features(job, {})
        return lacks_augmentation(job, job.data if features is None else replace(job.data, train=features))

    assert lacks(recipe)
    opted_out = frozen(**{"data.options.augment": True, "data.features": "none"})
    assert find_features(prepare(opted_out), {}) is None
    assert data_cache(opted_out) == data_cache(recipe)
    assert not lacks(opted_out)
    keep(recipe, views=1)
    assert not lacks(recipe)


@pytest.mark.parametrize(("cuda", "workers"), [(False, 0), (True, 2)])
def test_on_a_cpu_the_process_that_trains_reads_them(
    frozen: Frozen, cuda: bool, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = frozen(workers=2)
    keep(recipe)
    job = prepare(recipe)
    features = find_features(job, {})
    assert features is not None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert train_loader(replace(job.data, train=features), recipe).num_workers == workers
    assert train_loader(job.data, recipe).num_workers == 2
