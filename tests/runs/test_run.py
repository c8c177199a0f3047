"""A finished run gives back its recipe, tasks, scores, network, data and predictor, and executes nothing."""

from __future__ import annotations

import json
import pickle
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models import is_model
from torch import nn

import afanet
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.examples import predict_examples, read_test_samples
from afanet.runs.run import Run, load_begun, load_run
from afanet.training.run import evaluate, train

TESTS = Path(__file__).parents[1]
OLDER = ["20498bf", "c9f0cf7"]
TURNED = 5e-3  # see tests/upgrade/test_upgrade.py
KEYS = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.output_stride": 16,
    "data.size": [32, 48],
    "data.options.train_scenes": 8,
    "data.options.test_scenes": 6,
    "steps": 4,
    "batch_size": 4,
    "workers": 0,
    "device": "cpu",
    "precision": "float32",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of AFA on generated rooms, as `train` returned it."""
    return train(load_recipe("rooms", KEYS), tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture
def path(trained: Run, tmp_path: Path) -> Path:
    """A copy of its folder, for a test to change."""
    return Path(shutil.copytree(trained.path, tmp_path / "mine"))


def score(run: Run, network: nn.Module) -> dict[str, dict[str, float]]:
    """The scores of a network on the run's test split, from the public parts alone."""
    data, metrics = run.data(), {name: task.metrics() for name, task in run.tasks.items()}
    for start in range(0, len(data.test), 100):
        batch = read_test_samples(data, run.tasks, range(start, min(start + 100, len(data.test))))
        with torch.inference_mode():
            logits = network(batch["image"])
        for name, task in run.tasks.items():
            metrics[name].update(task.predict(logits[name]), batch["targets"][name])
    return {name: {key: float(v) for key, v in metric.compute().items()} for name, metric in metrics.items()}


def test_its_network_has_the_scores_that_the_run_has(path: Path) -> None:
    run = load_run(path)
    assert run.scores == evaluate(path).scores
    scores = score(run, run.network())
    for name, kept in run.scores.items():
        assert scores[name] == pytest.approx(kept, rel=1e-4)
    assert score(run, run.network().train()) != scores


def test_its_network_is_new_each_time_and_ready_for_use(trained: Run) -> None:
    run = load_run(trained.path)
    network, other = run.network(), run.network()
    saved = read_checkpoint(trained.folder.checkpoint)["state_dict"]
    assert all(torch.equal(saved[f"network.{name}"], value) for name, value in network.state_dict().items())
    assert not any(module.training for module in network.modules())
    assert {(value.device.type, value.dtype) for value in network.parameters()} == {("cpu", torch.float32)}
    with torch.no_grad():
        next(network.parameters()).zero_()
    assert next(other.parameters()).any()


def test_it_is_what_train_returned(trained: Run) -> None:
    run = load_run(trained.path)
    assert (run.path, run.recipe, run.results) == (trained.path, trained.recipe, trained.results)
    assert run.results == json.loads((run.path / "metrics.json").read_text())
    assert {name: set(scores) for name, scores in run.scores.items()} == {
        name: set(task.higher_is_better) for name, task in run.tasks.items()
    }
    assert run.tasks is run.tasks
    assert repr(run) == f"Run(folder=RunFolder('{trained.path}'))"
    assert run.score("depth", "abs") == run.scores["depth"]["abs"]
    assert run.score("depth", "iou") is run.score("age", "abs") is None
    assert run.data().describe == trained.data().describe == run.results["data"]


def test_its_predictor_is_the_one_for_its_folder(trained: Run) -> None:
    photo = np.random.default_rng(0).integers(256, size=(32, 48, 3), dtype=np.uint8)
    plain, flipped = (load_run(trained.path).predictor(flip=flip)(photo) for flip in (False, True))
    expected = afanet.Predictor(trained.path, flip=True)(photo)
    assert np.array_equal(flipped["depth"].metres, expected["depth"].metres)
    assert not np.array_equal(flipped["depth"].metres, plain["depth"].metres)


def test_its_data_are_needed_for_nothing_else(path: Path) -> None:
    text = (path / "recipe.yaml").read_text()
    (path / "recipe.yaml").write_text(text.replace("train_scenes: 8", "train_scenes: none"))
    run = load_run(path)
    assert list(run.tasks) == ["segmentation", "depth"]
    assert set(run.network()(torch.rand(1, 3, 32, 48))) == {"segmentation", "depth"}
    assert run.predictor().model.about.size == (32, 48)
    with pytest.raises(InputError, match="'train_scenes' of data set 'rooms' is 'none'"):
        run.data()


def test_examples_are_spread_over_the_test_split_and_predicted_by_the_network(trained: Run) -> None:
    run = load_run(trained.path)
    examples = predict_examples(run)
    samples = read_test_samples(run.data(), run.tasks, [0, 1, 3, 5])
    assert examples.samples["id"] == samples["id"]
    with torch.inference_mode():
        logits = run.network()(samples["image"])
    for name, task in run.tasks.items():
        assert torch.equal(examples.predictions[name], task.predict(logits[name]))


def test_evaluation_puts_its_scores_in_place_of_those_of_training(path: Path) -> None:
    results = json.loads((path / "metrics.json").read_text())
    results["tasks"]["depth"]["abs"] = 99.0
    results["validation"] = results["tasks"]
    (path / "metrics.json").write_text(json.dumps(results))
    run = evaluate(path)
    assert run.scores == json.loads((path / "evaluation.json").read_text())["tasks"]
    assert run.scores["depth"]["abs"] != 99.0
    assert run.results["parameters"] == results["parameters"]
    assert "validation" not in run.results  # it has no such split


def test_a_run_that_was_interrupted_is_scored_but_not_loaded(path: Path, trained: Run) -> None:
    (path / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"mine has not finished: go on with the command .* and --resume"):
        load_run(path)
    assert load_begun(path).scores == {}
    run = evaluate(path)
    assert run.scores == trained.scores
    assert list(run.tasks) == list(trained.tasks)


def test_what_is_no_finished_run_is_refused(path: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=r"is not a run folder: it has no recipe\.yaml, expected a folder"):
            load_run(folder)
    results = json.loads((path / "metrics.json").read_text())
    del results["flops"]
    (path / "metrics.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=r"metrics\.json is not what train wrote: 'flops' is missing"):
        load_run(str(path))


class Planted:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def test_a_checkpoint_with_code_in_it_is_refused_and_not_executed(path: Path, tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {"network.x": torch.zeros(1)}, "training": Planted(tmp_path / "mark")}, path / "last.ckpt"
    )
    (path / "weights.safetensors").unlink()  # as in an older run
    run = load_run(path)
    with pytest.raises(InputError, match=r"last\.ckpt is not a checkpoint of a training run"):
        run.network()
    assert not (tmp_path / "mark").exists()
    pickle.loads(pickle.dumps(Planted(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()  # so it would have been


@pytest.fixture
def network_of_older_runs() -> None:
    """Registers the network of the runs in tests/upgrade with timm."""
    if not is_model("small_enough_to_keep"):
        runpy.run_path(str(TESTS / "upgrade/train.py"))


@pytest.mark.usefixtures("network_of_older_runs")
@pytest.mark.parametrize("version", OLDER)
def test_runs_of_older_versions_are_loaded(version: str) -> None:
    run = load_run(TESTS / "upgrade" / version)
    assert list(run.tasks) == list(run.scores) == ["left", "right"]
    scores = score(run, run.network())
    for name, kept in run.scores.items():
        assert scores[name] == pytest.approx(kept, abs=TURNED)


def test_the_page_shows_it_as_it_is(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (TESTS.parent / "docs/predicting.md").read_text(encoding="utf-8")
    section = page.partition("## Get your trained network out of a run\n")[2].partition("\n## ")[0]
    [(source, printed)] = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
    shutil.copytree(trained.path, tmp_path / "runs/mine")
    monkeypatch.chdir(tmp_path)
    exec(source, {})
    assert capsys.readouterr().out == printed
