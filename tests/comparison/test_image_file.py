"""The image scores that a run keeps: the same again to the last digit, or refused, and never those of other weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from afanet.comparison.image_file import read_image_scores, write_image_scores
from afanet.comparison.images import ImageScores, Look
from afanet.comparison.look import Looked, look
from afanet.data import Data
from afanet.data.sample import Split
from afanet.errors import InputError
from afanet.recipe.load import dump_recipe
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run
from afanet.tasks import Classification, Depth, Normals, Segmentation, Task

from ..bad_input.mutations import refusal, scrambled
from ..small import make_small
from .test_images import draw

TASKS: dict[str, Task] = {task.name: task for task in (Segmentation(["a", "b"]), Depth(), Normals())}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = RunFolder(tmp_path)
    folder.recipe.write_text(dump_recipe(make_small()))
    folder.checkpoint.write_bytes(b"weights")
    return Run(folder, make_small(), {"tasks": {}})


def look_at(tasks: dict[str, Task]) -> Look:
    scores, binned = {}, {}
    for name, task in tasks.items():
        scores[name] = ImageScores(task)
        predictions, targets = draw(task)
        scores[name].update(predictions, targets)
        if bins := getattr(task, "bins", None):
            binned[name] = torch.rand(2, len(bins), dtype=torch.float64)
    return Look(scores, binned)


def test_what_is_read_is_what_was_written_bit_for_bit(run: Run) -> None:
    assert read_image_scores(run, TASKS) is None
    written = look_at(TASKS)
    write_image_scores(run, written)
    kept = read_image_scores(run, TASKS)
    assert kept is not None
    for name in TASKS:
        for state, values in written.scores[name].states.items():
            again = kept.scores[name].states[state]
            assert again.dtype == values.dtype
            assert torch.equal(again, values)
        assert kept.scores[name].compute() == written.scores[name].compute()
        assert kept.scores[name].each(TASKS[name].main_metric) == written.scores[name].each(TASKS[name].main_metric)
    assert kept.binned.keys() == written.binned.keys() == {"depth"}
    assert torch.equal(kept.binned["depth"], written.binned["depth"])
    assert [file.name for file in run.path.iterdir() if "partial" in file.name] == []


def test_scores_by_other_weights_are_not_taken(run: Run) -> None:
    write_image_scores(run, look_at(TASKS))
    run.folder.checkpoint.write_bytes(b"others")
    assert read_image_scores(run, TASKS) is None
    run.folder.checkpoint.unlink()
    assert read_image_scores(run, TASKS) is None


def test_nothing_is_written_into_the_cache_of_the_hub(run: Run) -> None:
    run.folder.elsewhere = True
    write_image_scores(run, look_at(TASKS))
    assert not run.folder.images.exists()


def test_a_file_of_other_tasks_or_metrics_is_refused(run: Run) -> None:
    write_image_scores(run, look_at(TASKS))
    fewer = {name: task for name, task in TASKS.items() if name != "depth"}
    others: list[dict[str, Task]] = [fewer, TASKS | {"age": Classification("age", ["0", "1"])}]
    others.append(TASKS | {"segmentation": Segmentation(["a", "b", "c"])})
    for tasks in others:
        with pytest.raises(InputError, match=r"images\.npz is not what afanet wrote: '.*; remove it, then"):
            read_image_scores(run, tasks)


def test_damaged_files_are_refused_in_a_sentence_or_read(run: Run) -> None:
    tasks: dict[str, Task] = {"segmentation": TASKS["segmentation"]}
    write_image_scores(run, look_at(tasks))
    whole = run.folder.images.read_bytes()
    for seed in range(150):
        run.folder.images.write_bytes(scrambled(whole, seed))
        said = refusal(read_image_scores, run, tasks)
        assert said is None or said.startswith(str(run.folder.images))


@pytest.mark.parametrize("value", [np.zeros((7, 2, 3)), np.array("x"), np.array([None], dtype=object), np.zeros(())])
def test_an_array_of_another_kind_is_refused(run: Run, value: np.ndarray) -> None:
    tasks: dict[str, Task] = {"segmentation": TASKS["segmentation"]}
    write_image_scores(run, look_at(tasks))
    with np.load(run.folder.images) as stored:
        arrays = dict(stored)
    [name] = [name for name in arrays if name.endswith("confmat")]
    np.savez(run.folder.images, **(arrays | {name: value}))
    with pytest.raises(InputError, match=r"images\.npz is not what afanet wrote"):
        read_image_scores(run, tasks)


class Predictor:
    """Predicts noise, and counts how often."""

    def __init__(self, run: Run, tasks: dict[str, Task]) -> None:
        self.run, self.tasks, self.network, self.count = run, tasks, nn.Identity(), 0

    def predict(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        self.count += 1
        size = images.shape[-2:]
        generator = torch.Generator().manual_seed(self.count)
        return {
            name: task.predict(torch.randn(len(images), task.output.channels, *size, generator=generator))
            for name, task in self.tasks.items()
        }


@pytest.fixture(scope="module")
def rooms() -> Data:
    from afanet.runs.setup import open_tasks

    return open_tasks(make_small())[0]


def test_a_run_predicts_its_images_once(run: Run, rooms: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Predictor(run, dict(rooms.tasks))
    first = look(predictor, rooms)  # type: ignore[arg-type]
    predicted = predictor.count
    again = look(predictor, rooms)  # type: ignore[arg-type]
    assert predictor.count == predicted > 0
    assert all(first.scores[name].compute() == again.scores[name].compute() for name in rooms.tasks)
    looked = Looked([run], dict(rooms.tasks), None)
    assert looked[run.path].keys() == rooms.tasks.keys()
    run.folder.images.unlink()
    assert looked.get(run.path) is None  # without data, nothing predicts
    monkeypatch.setattr("afanet.comparison.look.TaskPredictor", Predictor)
    assert len(Looked([run], dict(rooms.tasks), rooms)[run.path]["depth"]) == len(rooms.test)
    assert run.folder.images.is_file()
    known = Looked([run], dict(rooms.tasks), None, {run.path: first.scores})
    assert known[run.path] is first.scores


def test_a_folder_that_takes_no_file_is_a_warning(
    run: Run, rooms: Data, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise InputError("images.npz cannot be written: No space left on device")

    monkeypatch.setattr("afanet.comparison.look.write_image_scores", full)
    assert look(Predictor(run, dict(rooms.tasks)), rooms).scores  # type: ignore[arg-type]
    assert "warning: images.npz cannot be written: No space left" in capsys.readouterr().err


def test_what_it_keeps_gives_the_scores_of_the_run_and_of_changed_data_nothing_is_kept(
    small_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    data, tasks = small_run.open()
    changed = replace(data, test=Split(data.test.read, data.test.items[1:], data.test.transform))
    assert len(Looked([small_run], tasks, changed)[small_run.path]["depth"]) == len(data.test) - 1
    assert "the data have changed since" in capsys.readouterr().err
    assert not small_run.folder.images.exists()
    [scores] = Looked([small_run], tasks, data).values()
    assert small_run.folder.images.is_file()
    kept = json.loads(small_run.folder.metrics.read_text())["tasks"]
    for name, of_task in scores.items():
        assert of_task.compute() == pytest.approx(
            {metric: np.nan if value is None else value for metric, value in kept[name].items()}, nan_ok=True, rel=1e-5
        )


@pytest.fixture
def small_run(tmp_path: Path, tiny: None) -> Run:
    from afanet.training.run import train

    return train(make_small(**{"steps": 1}), tmp_path / "run")
