"""Whole runs, of a network that trains in a moment."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.data import Data, Sample, Split, open_data
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.preprocessing import with_normalisation_of_backbone
from afanet.recipe.schema import Recipe
from afanet.runs.examples import predict_examples
from afanet.runs.folder import LOCK, MARK
from afanet.training.run import evaluate, train

pytestmark = pytest.mark.usefixtures("tiny")


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_a_run_keeps_everything_in_its_folder(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run")
    names = {file.name for file in (tmp_path / "run").iterdir()}
    kept = {"recipe.yaml", "metrics.json", "log.csv", "last.ckpt", "weights.safetensors", "tensorboard"}
    assert names == {MARK, LOCK, *kept}
    assert load_recipe(run.folder.recipe) == with_normalisation_of_backbone(recipe)
    results = read(run.folder.metrics)
    assert results["tasks"] == run.results["tasks"]
    assert {name: set(scores) for name, scores in results["tasks"].items()} == {
        name: set(task.higher_is_better) for name, task in run.tasks.items()
    }
    assert (results["epochs"], results["steps"]) == (2, 4)
    with run.folder.log.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "2"), ("2", "4")]
    for row in rows:
        parts = float(row["loss/segmentation"]) + float(row["loss/depth"])
        assert float(row["loss"]) == pytest.approx(parts, rel=1e-5)
    saved = torch.load(run.folder.checkpoint, weights_only=True)
    assert saved["training"]["learner"]["step"] == 4


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_evaluation_gives_the_same_figures_bit_for_bit(
    small: Callable[..., Recipe], precision: str, tmp_path: Path
) -> None:
    run = train(small(precision=precision), tmp_path / "run")
    again = evaluate(tmp_path / "run")
    assert read(again.folder.evaluation)["tasks"] == read(run.folder.metrics)["tasks"]
    assert again.scores == run.scores
    predictions = predict_examples(again).predictions
    for name, prediction in predict_examples(run).predictions.items():
        assert torch.equal(predictions[name], prediction)


def test_evaluation_uses_as_many_threads_as_training_did(recipe: Recipe, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        run = train(recipe, tmp_path / "run")
        torch.set_num_threads(1)
        again = evaluate(tmp_path / "run")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert read(again.folder.evaluation)["tasks"] == read(run.folder.metrics)["tasks"]


def test_a_run_is_repeated_by_its_seed_and_by_its_own_recipe(
    small: Callable[..., Recipe], recipe: Recipe, tmp_path: Path
) -> None:
    first = train(recipe, tmp_path / "first")
    torch.rand(3)
    second = train(load_recipe(first.folder.recipe), tmp_path / "second")
    third = train(small(seed=1), tmp_path / "third")
    assert first.results["tasks"] == second.results["tasks"]
    assert first.results["tasks"] != third.results["tasks"]


def test_training_lowers_the_losses(small: Callable[..., Recipe], tmp_path: Path) -> None:
    run = train(small(epochs=12, **{"optimizer.lr": 0.05}), tmp_path / "run")
    with run.folder.log.open() as stream:
        losses = [float(row["loss"]) for row in csv.DictReader(stream)]
    assert losses[-1] < 0.8 * losses[0]


def test_steps_stop_a_run_which_still_ends_well(
    small: Callable[..., Recipe], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(small(epochs=9, steps=3), tmp_path / "run")
    epochs = re.findall(r"^epoch (\d+)/(\d+) ", capsys.readouterr().err, re.MULTILINE)
    assert epochs == [(str(number), str(len(epochs))) for number in range(1, len(epochs) + 1)]
    assert read(run.folder.metrics)["steps"] == 3
    assert torch.load(run.folder.checkpoint, weights_only=True)["training"]["learner"]["step"] == 3
    evaluate(tmp_path / "run")


def test_one_task_of_several_can_be_learnt(small: Callable[..., Recipe], tmp_path: Path) -> None:
    run = train(small(tasks=["depth"]), tmp_path / "run")
    assert list(run.results["tasks"]) == list(run.tasks) == list(predict_examples(run).predictions) == ["depth"]


def test_progress_is_plain_lines_with_losses_and_time_left(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe, tmp_path / "run")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("rooms: 10 training")
    for index, line in enumerate(lines[1:3], start=1):
        assert line.startswith(f"epoch {index}/2  loss: segmentation ")
    assert lines[1].endswith("left)")
    assert lines[3:] == ["scoring 7 images of the test split"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.name": "room"}, "did you mean 'rooms'"),
        ({"data.options.train_scene": 3}, "did you mean 'train_scenes'"),
        ({"data.root": "nowhere"}, "leave --data out"),
        ({"tasks": ["dept"]}, "did you mean 'depth'"),
        ({"batch_size": 1}, "batch norm needs at least two"),
        ({"data.options.train_scenes": 1}, "1 training images"),
        ({"device": "gpu"}, "device 'gpu' does not exist here"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_folder_is_made(
    small: Callable[..., Recipe], overrides: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        train(small(**overrides), tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", [0, 7])  # scenes before are test scenes, read first
def test_a_sample_that_cannot_be_read_leaves_nothing_behind(
    split: int, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from afanet.data.sample import Split

    read_sample, calls = Split.__getitem__, iter(range(1000))

    def failing(self: Split, index: int) -> Sample:
        if next(calls) == split:
            raise InputError("photo.jpg is truncated")
        return read_sample(self, index)

    monkeypatch.setattr(Split, "__getitem__", failing)
    with pytest.raises(InputError, match=r"^photo.jpg is truncated$"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_something_in_it_is_left_alone(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty: give another one with --out"):
        train(recipe, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["precious.txt"]


def test_the_checkpoint_of_another_network_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run")
    run.folder.recipe.write_text(run.folder.recipe.read_text().replace("tasks: null", "tasks: [depth]"))
    with pytest.raises(InputError, match="is of another network than the recipe"):
        evaluate(tmp_path / "run")
    assert not run.folder.evaluation.exists()


@pytest.mark.usefixtures("tiny")
def test_a_split_for_validation_is_scored_beside_the_test_split(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_validation(*arguments: Any, **options: Any) -> Data:
        data = open_data(*arguments, **options)
        return replace(data, validation=Split(data.test.read, data.test.items[:2], data.test.transform))

    plain = train(recipe, tmp_path / "plain").results
    assert "validation" not in plain
    monkeypatch.setattr("afanet.runs.setup.open_data", with_validation)
    run = train(recipe, tmp_path / "run")
    assert run.results["tasks"] == plain["tasks"]
    assert run.results["validation"].keys() == plain["tasks"].keys()
    assert run.results["validation"] != plain["tasks"]
    again = evaluate(tmp_path / "run").results
    assert (again["tasks"], again["validation"]) == (run.results["tasks"], run.results["validation"])


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_samples_is_refused(
    split: str, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emptied(*arguments: Any, **options: Any) -> Data:
        data = open_data(*arguments, **options)
        return replace(data, **{split: Split(data.test.read, [], data.test.transform)})

    monkeypatch.setattr("afanet.runs.setup.open_data", emptied)
    with pytest.raises(InputError, match=f"data set 'rooms' has no sample in its split {split}"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
