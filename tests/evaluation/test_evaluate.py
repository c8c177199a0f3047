"""Scores of a run on other data, another split, at the size of the labels and through windows."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from afanet.cli.main import main
from afanet.errors import InputError
from afanet.evaluation.evaluate import evaluate_by
from afanet.evaluation.protocol import SIZES, At, Protocol
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run
from afanet.training.run import evaluate, train

from ..data.conftest import folders as folders
from ..small import TinyNetwork
from .conftest import DECLARED, write_folder

RunOn = Callable[..., Run]


@pytest.fixture
def run(run_on: RunOn, tmp_path: Path) -> Run:
    return run_on(write_folder(tmp_path / "data"))


def test_by_its_own_protocol_a_run_has_its_own_scores_bit_for_bit(run: Run) -> None:
    evaluate(run.path)
    again = run.folder.evaluation.read_bytes()
    assert evaluate_by(run.path, Protocol()).scored.scores == run.scores
    validated = evaluate_by(run.path, Protocol(split="validation"))
    assert validated.scored.scores == run.results["validation"]
    assert validated.file == run.path / "evaluation-validation.json"
    assert json.loads(validated.file.read_text())["tasks"] == run.results["validation"]
    whole = evaluate_by(run.path, Protocol(window=(24, 32)))
    assert whole.scored.scores == run.scores
    assert run.folder.evaluation.read_bytes() == again


def test_the_training_split_is_scored_without_augmentation(run: Run, tmp_path: Path) -> None:
    splits = ("test",) * 6 + ("train",) * 7
    other = write_folder(tmp_path / "turned", splits)
    turned = evaluate_by(run.path, Protocol(data=other))
    trained = evaluate_by(run.path, Protocol(split="train"))
    assert trained.scored.scores == turned.scored.scores
    assert trained.images == turned.images == 6
    assert trained.file != turned.file


def test_data_that_moved_are_read_where_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "moved")
    assert evaluate_by(run.path, Protocol(data=tmp_path / "moved")).scored.scores == run.scores
    file = tmp_path / "named.yaml"
    root = run.recipe.data.model_copy(update={"root": tmp_path / "moved", "size": (8, 8)})
    file.write_text(dump_recipe(run.recipe.model_copy(update={"data": root})))
    assert evaluate_by(run.path, Protocol(data=file)).scored.scores == run.scores  # at the size of the run


def test_a_split_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    other = write_folder(tmp_path / "tested", ("test",) * 4, first=9)
    assert evaluate_by(run.path, Protocol(data=other)).scored.scores == run.scores
    with pytest.raises(InputError, match=r"tested has no sample in its split validation, expected one of: test"):
        evaluate_by(run.path, Protocol(data=other, split="validation"))


@pytest.mark.parametrize(
    ("task", "declared", "message"),
    [
        ("seg", {"kind": "segmentation", "classes": ["wall", "bed", "floor"]}, "has classes ['wall', 'bed', 'floor']"),
        ("size", {"kind": "ordinal", "classes": ["wide", "tall"]}, "has kind ordinal, but"),
        ("level", {"kind": "regression", "range": [0, 255], "unit": "lux"}, "has unit lux, but"),
    ],
)
def test_tasks_that_mean_something_else_are_refused(
    task: str, declared: dict[str, Any], message: str, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "other.yaml"
    options = {"tasks": DECLARED | {task: declared}}
    file.write_text(
        dump_recipe(run.recipe.model_copy(update={"data": run.recipe.data.model_copy(update={"options": options})}))
    )
    with pytest.raises(InputError) as caught:
        evaluate_by(run.path, Protocol(data=file))
    assert f"task '{task}' of {file}" in str(caught.value)
    assert message in str(caught.value)
    others = tuple(name for name in DECLARED if name != task)
    scores = evaluate_by(run.path, Protocol(data=file, tasks=others)).scored.scores
    assert scores == {name: run.scores[name] for name in others}


def test_a_task_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown task of .* 'dept', did you mean 'depth'"):
        evaluate_by(run.path, Protocol(tasks=("dept",)))
    with pytest.raises(InputError, match="task 'depth' is named twice"):
        evaluate_by(run.path, Protocol(tasks=("depth", "depth")))
    file = tmp_path / "other.yaml"
    options = {"tasks": {name: kind for name, kind in DECLARED.items() if name != "depth"}}
    data = run.recipe.data.model_copy(update={"options": options})
    file.write_text(dump_recipe(run.recipe.model_copy(update={"data": data})))
    with pytest.raises(InputError, match=r"has no task 'depth', which .* learnt, but seg, size, level"):
        evaluate_by(run.path, Protocol(data=file))


@pytest.mark.parametrize("window", [None, (24, 32)])
@pytest.mark.parametrize("at", ["scored", "truth"])
def test_only_the_tasks_asked_for_are_computed_and_scored(
    at: At, window: tuple[int, int] | None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    forward = TinyNetwork.forward

    def listening(network: TinyNetwork, images: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        asked.append(tasks)
        return forward(network, images, tasks)

    whole = evaluate_by(run.path, Protocol(at=at)).scored.scores
    monkeypatch.setattr(TinyNetwork, "forward", listening)
    done = evaluate_by(run.path, Protocol(tasks=("depth", "size"), at=at, window=window))
    assert done.scored.scores == {name: whole[name] for name in ("depth", "size")}
    assert asked
    assert all(list(tasks or ()) == ["depth", "size"] for tasks in asked)


def seen_part(shape: tuple[int, int], resize: str) -> tuple[slice, slice]:
    """The middle of a photo that has the proportions of 24x32, in whole pixels; all of it unless it is cropped."""
    height, width = shape
    if resize != "crop":
        return slice(None), slice(None)
    if height * 32 > width * 24:
        rows = int(width * 24 / 32 + 0.5)
        return slice((height - rows) // 2, (height - rows) // 2 + rows), slice(None)
    columns = int(height * 32 / 24 + 0.5)
    return slice(None), slice((width - columns) // 2, (width - columns) // 2 + columns)


def by_hand(run: Run, root: Path, resize: str) -> dict[str, dict[str, float]]:
    """The main scores of seg, depth, size and level from the answers of a predictor, in NumPy."""
    predictor, confusion = run.predictor(), np.zeros((3, 3))
    errors: list[NDArray[np.float64]] = []
    right, misses = [], []
    for line in (root / "manifest.csv").read_text().splitlines():
        if ",test," not in line:
            continue
        name, _, ids_file, depth_file, size, level = line.split(",")
        results: dict[str, Any] = predictor(root / name)
        ids = np.asarray(Image.open(root / ids_file))
        part = seen_part(ids.shape, resize)
        truth, answer = ids[part].astype(int), results["seg"].labels[part].astype(int)
        known = truth != 255
        np.add.at(confusion, (truth[known], answer[known]), 1)
        if depth_file:
            metres = np.load(root / depth_file).astype(np.float64)[part]
            errors.append(np.abs(results["depth"].metres[part].astype(np.float64) - metres)[metres > 0])
        right.append(results["size"].name == size)
        misses.append(abs(results["level"].value - float(np.float32(level))))
    iou = np.diag(confusion) / (confusion.sum(0) + confusion.sum(1) - np.diag(confusion))
    return {
        "seg": {"miou": iou.mean(), "pixel_accuracy": np.trace(confusion) / confusion.sum()},
        "depth": {"abs": np.concatenate(errors).mean()},
        "size": {"accuracy": np.mean(right)},
        "level": {"mae": np.mean(misses)},
    }


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
def test_at_the_truths_own_size_the_scores_are_those_of_the_predictors_answers(
    resize: str, run_on: RunOn, tmp_path: Path
) -> None:
    root = write_folder(tmp_path / "data")
    run = run_on(root, **{"data.resize": resize})
    done = evaluate_by(run.path, Protocol(at="truth"))
    for task, metrics in by_hand(run, root, resize).items():
        for metric, expected in metrics.items():
            assert done.scored.scores[task][metric] == pytest.approx(expected, rel=1e-6), (task, metric)
    assert done.scored.scores["seg"] != run.scores["seg"]  # which are at 24x32
    assert done.scored.scores["size"] == run.scores["size"]


@pytest.mark.usefixtures("tiny")
def test_the_crop_of_eigen_is_that_of_the_whole_frame(
    small: Callable[..., Recipe], folders: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of frames of 12x16 pixels, whose centres are 40 official pixels apart, it is rows 1 to 11 and columns 1 to 14."""
    keys = {"data.name": "nyuv2", "data.root": folders, "data.size": [8, 12], "data.options": {"mask": "eigen"}}
    run = train(small(**keys, epochs=1, batch_size=3), tmp_path_factory.mktemp("eigen") / "run")
    scores = evaluate_by(run.path, Protocol(at="truth")).scored.scores
    results: dict[str, Any] = run.predictor()(folders / "rgb/0004.jpg")
    part = slice(1, 12), slice(1, 15)
    metres = np.asarray(Image.open(folders / "depth_mm/0004.png"))[part] / 1000
    ids = np.asarray(Image.open(folders / "label40/0004.png"))[part].astype(int) - 1
    errors = np.abs(results["depth"].metres[part].astype(np.float64) - metres)
    right = (results["segmentation"].labels[part] == ids)[ids >= 0]
    assert scores["depth"]["abs"] == pytest.approx(errors.mean(), rel=1e-6)
    assert scores["segmentation"]["pixel_accuracy"] == pytest.approx(right.mean())


@pytest.mark.usefixtures("tiny")
def test_where_labels_have_the_size_of_the_images_both_sizes_give_the_same(recipe: Recipe, tmp_path: Path) -> None:
    run = train(recipe, tmp_path / "run")
    scores = evaluate_by(run.path, Protocol(at="truth")).scored.scores
    for task, metrics in run.scores.items():
        assert scores[task] == pytest.approx(metrics, rel=1e-9)


@pytest.mark.usefixtures("tiny")
def test_joined_data_are_refused_at_the_truths_own_size(small: Callable[..., Recipe], tmp_path: Path) -> None:
    part = {"name": "rooms", "options": {"train_scenes": 4, "test_scenes": 2}}
    keys = {"data.name": "mixed", "data.options": {"parts": [part | {"tasks": ["depth"]}]}, "epochs": 1}
    run = train(small(**keys), tmp_path / "run")
    assert evaluate_by(run.path, Protocol(tasks=("depth",))).scored.scores == run.scores
    with pytest.raises(InputError, match="mixed cannot be scored at the size of its labels: it joins"):
        evaluate_by(run.path, Protocol(at="truth"))
    with pytest.raises(InputError, match="mixed' found data path"):
        evaluate_by(run.path, Protocol(data=tmp_path))


def test_a_window_larger_than_the_images_is_refused(run: Run) -> None:
    for window in ((25, 32), (24, 33), (0, 4)):
        with pytest.raises(InputError, match=f"the window is {window[0]}x{window[1]} pixels, expected at most data.si"):
            evaluate_by(run.path, Protocol(window=window))


def test_windows_at_both_sizes(run: Run) -> None:
    """TinyNetwork sees three pixels at a time, so that windows change the edges of windows alone."""
    for at in SIZES:
        whole = evaluate_by(run.path, Protocol(at=at)).scored.scores
        seen = evaluate_by(run.path, Protocol(at=at, window=(16, 20))).scored.scores
        assert seen["depth"]["abs"] != whole["depth"]["abs"]
        assert seen["depth"]["abs"] == pytest.approx(whole["depth"]["abs"], rel=0.05)
        assert seen["seg"]["pixel_accuracy"] == pytest.approx(whole["seg"]["pixel_accuracy"], abs=0.05)


def test_the_command_says_where_the_scores_are(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["evaluate", str(run.path), "--split", "validation", "--at", "truth", "--tasks", "depth"]
    assert main(words) == 0
    said = capsys.readouterr().out
    [file] = run.path.glob("evaluation-validation-truth-*.json")
    assert f"written: {file}" in said
    assert "on 3 images of the validation split, at the size of their labels" in said
    assert "miou" not in said
    kept = json.loads(file.read_text())
    assert kept["protocol"] == {"data": None, "split": "validation", "at": "truth", "window": None, "tasks": ["depth"]}
    before = {path: path.stat().st_mtime_ns for path in run.path.iterdir()}
    assert main([*words, "--out", str(tmp_path / "scores.json")]) == 0
    assert json.loads((tmp_path / "scores.json").read_text()) == kept
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run.path)
    assert main([*words, "--window", "12", "16"]) == 0
    assert "the scores are not kept (" in capsys.readouterr().out
    assert main(["evaluate", str(run.path), "--tasks", "depth,sise"]) == 2  # commas, as predict and export take them
    assert "'sise', did you mean 'size'" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in run.path.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--split tests", "unknown split 'tests', did you mean 'test'"),
        ("--at truths", "unknown at 'truths', did you mean 'truth'"),
        ("--window 12", "argument --window: expected 2 arguments"),
        ("--data nowhere", "nowhere' does not exist"),
        ("--split validation --out .", ". is a folder, expected the name of a file for the scores"),
    ],
)
def test_what_the_command_cannot_use_is_one_sentence(
    words: str, message: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(run.path.iterdir())
    assert main(["evaluate", str(run.path), *words.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("afanet: error: ")
    assert sorted(run.path.iterdir()) == before


def test_nothing_is_scored_on_a_run_that_is_not_there(run: Run) -> None:
    shutil.rmtree(run.path)
    with pytest.raises(InputError, match="is not a run folder"):
        evaluate_by(run.path, Protocol(split="train"))
