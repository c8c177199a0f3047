"""A run begins with any finished run: what fits goes on, what is new starts fresh, and old tasks can stay."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.small import make_small
from tests.training.test_resume import KilledError, kill_before

from afanet.cli import main
from afanet.cli.scores import print_since
from afanet.comparison.since import since
from afanet.errors import InputError
from afanet.networks.memory_format import channels_last
from afanet.networks.methods import compared
from afanet.networks.outputs import Dense
from afanet.recipe.schema import Recipe
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run, load_run
from afanet.tasks import Description, Segmentation
from afanet.training.job import Job, prepare
from afanet.training.run import evaluate, train
from afanet.training.starting.source import other_names, read_source, require_same_tasks, taken_over

OLD = ["segmentation", "depth"]
SMALL = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "data.size": [32, 48],
    "data.options.train_scenes": 8,
    "data.options.test_scenes": 4,
    "data.options.normals": True,
    "epochs": 1,
    "steps": 2,
}


def recipe_for(method: str, tasks: list[str] | None, **keys: Any) -> Recipe:
    return make_small(**{**SMALL, "network.method": method, "tasks": tasks, **keys})


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run by a method of the old tasks, trained once."""
    runs: dict[str, Run] = {}

    def trained(method: str) -> Run:
        if method not in runs:
            runs[method] = train(recipe_for(method, OLD), tmp_path_factory.mktemp("before") / method)
        return runs[method]

    return trained


def begin(run: Run | Path, method: str, tasks: list[str], **keys: Any) -> Job:
    """The job of a new run that starts from `run`, as its training begins."""
    start = run.path if isinstance(run, Run) else run
    return prepare(taken_over(recipe_for(method, tasks, start_from=str(start), **keys)))


def report(job: Job) -> dict[str, str]:
    """With what each part begins, by the lines that are printed."""
    lines = [line.strip().split("  ", 1) for line in job.parts]
    return {part: begins.strip() for part, begins in (line for line in lines if len(line) == 2)}


@pytest.mark.parametrize("method", compared())
def test_a_task_that_is_added_leaves_the_old_ones_as_they_were_bit_for_bit(
    method: str, before: Callable[[str], Run], tmp_path: Path
) -> None:
    old = before(method)
    recipe = recipe_for(method, ["normals", *OLD], start_from=str(old.path), **{"network.freeze": "old"})
    new = train(recipe, tmp_path / "new")
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        expected, outputs = old.network()(images), new.network()(images)
    assert list(outputs) == [*OLD, "normals"]
    assert all(torch.equal(outputs[task], expected[task]) for task in OLD)
    assert {task: new.scores[task] for task in OLD} == old.scores
    assert new.results["parameters"] < old.results["parameters"]  # what learns
    row = next(iter(csv.DictReader((new.path / "log.csv").open())))
    assert [key for key in row if key.startswith("loss/")] == ["loss/normals"]
    tuned = begin(new, method, ["normals", *OLD])
    assert not {begins for begins in report(tuned).values() if begins == "fresh"}
    with torch.no_grad():
        again = channels_last(tuned.network).eval()(images)
    assert all(torch.equal(again[task], outputs[task]) for task in outputs)
    assert all(parameter.requires_grad for parameter in tuned.network.parameters())


@pytest.mark.parametrize(
    ("source", "method", "tasks", "fresh"),
    [
        ("afa", "afa", OLD, set()),
        ("single", "afa", OLD, {"fusion"}),
        ("single", "hard", OLD, set()),
        ("hard", "afa", OLD, {"fusion"}),
        ("hard", "mtan", OLD, {"fusion of segmentation", "fusion of depth"}),
        ("afa", "single", ["depth"], set()),
        ("mtan", "hard", ["depth"], set()),
        ("hard", "hard", ["normals", "depth"], {"head of normals"}),
        ("afa", "single", [*OLD, "normals"], {"head of normals", "backbone of normals"}),
    ],
)
def test_what_fits_by_name_goes_on_and_what_is_new_starts_fresh(
    source: str, method: str, tasks: list[str], fresh: set[str], before: Callable[[str], Run]
) -> None:
    run = before(source)
    job = begin(run, method, tasks)
    said = report(job)
    assert {part for part, begins in said.items() if begins == "fresh"} == fresh
    theirs, ours = run.weights(), job.network.state_dict()
    for task in set(tasks) & set(OLD):
        for name, tensor in ours.items():
            if name.startswith(f"branches.{task}.head."):
                assert torch.equal(tensor, theirs[name])
            elif name.startswith(f"branches.{task}.backbone."):
                other = name if name in theirs else name.replace(f".{task}.", f".{OLD[0]}.")
                assert torch.equal(tensor, theirs[other])


@pytest.mark.parametrize("method", ["afa", "hard"])
def test_images_of_another_size_go_through_layers_made_for_those_before(
    method: str, before: Callable[[str], Run], tmp_path: Path
) -> None:
    run = before(method)
    larger = train(recipe_for(method, OLD, start_from=str(run.path), **{"data.size": [48, 64]}), tmp_path / "larger")
    assert larger.recipe.network.made_for == (32, 48)
    with torch.no_grad():
        assert load_run(larger.path).network()(torch.rand(1, 3, 48, 64))["depth"].shape == (1, 1, 48, 64)
    third = begin(larger, method, OLD)
    assert third.recipe.network.made_for is None
    fresh = begin(run, method, OLD, **{"data.size": [48, 64], "fresh": ["fusion"]})
    assert fresh.recipe.network.made_for is None


def test_fusion_layers_of_other_tasks_are_refused_until_they_start_fresh(before: Callable[[str], Run]) -> None:
    with pytest.raises(InputError, match=r"join the tasks segmentation, depth, .* --fresh fusion, or add tasks with"):
        begin(before("afa"), "afa", [*OLD, "normals"])
    job = begin(before("afa"), "afa", [*OLD, "normals"], fresh=["fusion"])
    assert report(job)["fusion"] == "fresh"


@pytest.mark.parametrize(
    ("fresh", "part"),
    [("head.depth", "head of depth"), ("heads", "head of depth"), ("task:depth", "backbone of depth")],
)
def test_what_is_asked_to_be_fresh_is_not_taken(fresh: str, part: str, before: Callable[[str], Run]) -> None:
    said = report(begin(before("afa"), "afa", OLD, fresh=[fresh]))
    assert said[part] == "fresh"
    assert said["backbone of segmentation"].startswith("90 tensors of")


def test_a_tensor_of_another_shape_is_refused_with_what_would_help(before: Callable[[str], Run]) -> None:
    source = read_source(str(before("single").path))
    task = Segmentation(["a", "b"], "segmentation")
    with pytest.raises(InputError, match=r"task 'segmentation' with output Dense\(channels=8\), .* --fresh head.segm"):
        require_same_tasks(source, {"segmentation": Description.of(task)}, [])
    require_same_tasks(source, {"segmentation": Description.of(task)}, ["head.segmentation"])
    depth = replace(Description.of(task), name="depth", output=Dense(1))
    with pytest.raises(InputError, match="task 'depth' with kind depth, but here its kind is segmentation: rename"):
        require_same_tasks(source, {"depth": depth}, [])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"fresh": ["heads"], "start_from": None}, "fresh is heads, but no run is given to start from"),
        ({"network.freeze": "old", "start_from": None}, "freeze is 'old', which means the tasks of the run to start"),
        ({"network.backbone": "resnet18"}, "has network.backbone test_resnet, but this recipe resnet18: give"),
        ({"network.mean": [0, 0, 0], "network.std": [1, 1, 1]}, "leave network.mean and network.std out"),
        ({"fresh": ["head.dept"]}, "unknown part to start fresh 'head.dept', did you mean 'head.depth'"),
        ({"warm_start": ["runs/x"]}, "start_from and warm_start both say which weights to begin with"),
        ({"network.freeze": "old"}, "with old frozen, nothing of the network learns"),
        (
            {"tasks": ["normals"], "network.method": "single"},
            r"nothing of .* \(method afa, tasks segmentation, depth\) fits this network",
        ),
        ({"network.head": "fpn"}, "has another head of segmentation than this network, without"),
        ({"start_from": "runs/nowhere"}, "runs/nowhere is not a run folder"),
    ],
)
def test_what_cannot_begin_is_said_and_leaves_nothing(
    keys: dict[str, Any], sentence: str, before: Callable[[str], Run], tmp_path: Path
) -> None:
    recipe = recipe_for("afa", **{"tasks": OLD, "start_from": str(before("afa").path), **keys})
    with pytest.raises(InputError, match=sentence):
        train(recipe, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_other_names_of_as_many_classes_are_said(before: Callable[[str], Run]) -> None:
    source = read_source(str(before("single").path))
    names = source.tasks["segmentation"].meaning["classes"]
    for classes, lines in ((names, 0), (names[::-1], 1)):
        described = {"segmentation": Description.of(Segmentation(classes))}
        said = other_names(source, described, [])
        assert len(said) == lines
        assert not other_names(source, described, ["heads"])
    assert "warning: the head of 'segmentation' learnt the classes ['floor'," in said[0]


def test_an_unfinished_run_is_no_beginning(before: Callable[[str], Run], tmp_path: Path) -> None:
    folder = tmp_path / "unfinished"
    folder.mkdir()
    for name in ("recipe.yaml", "last.ckpt", "afanet-run.txt"):
        (folder / name).write_bytes((before("afa").path / name).read_bytes())
    with pytest.raises(InputError, match="has not finished: go on with the command that began it and --resume"):
        begin(folder, "afa", OLD)


def test_a_frozen_trunk_that_the_run_shared_is_shared_again_and_branches_that_differ_are_not(
    before: Callable[[str], Run], tmp_path: Path
) -> None:
    frozen = {"network.freeze": "backbone"}
    shared = train(recipe_for("single", OLD, **frozen), tmp_path / "shared")
    job = begin(shared, "single", [*OLD, "normals"], **frozen)
    assert job.network.trunk is not None
    assert report(job)["trunk"].startswith("90 tensors of")
    own = begin(before("single"), "single", OLD, **frozen)
    assert own.network.trunk is None
    assert not own.recipe.network.share_frozen
    a, b = (own.network.get_parameter(f"branches.{task}.backbone.conv1.0.weight") for task in OLD)
    assert not torch.equal(a, b)


def test_more_epochs_than_a_finished_run_has_are_a_new_run_that_starts_from_it(
    before: Callable[[str], Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_for("hard", OLD, **{"network.freeze": {"backbone": 2}, "steps": None})
    first = train(recipe, tmp_path / "run")
    longer = recipe.model_copy(update={"epochs": 3})
    more = train(longer, tmp_path / "run", resume=True)
    assert more.path == tmp_path / "run-3-epochs"
    assert "run has finished its 1 epochs: 2 more as a new run in" in capsys.readouterr().err
    assert (more.recipe.epochs, more.recipe.start_from) == (2, str(first.path))
    assert more.recipe.network.freeze == {"backbone": 1}
    assert train(longer, tmp_path / "run", resume=True).results == more.results
    with pytest.raises(InputError, match=r"has optimizer.lr 0.001, but now it is 0.5"):
        train(
            longer.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"lr": 0.5})}),
            first.path,
            resume=True,
        )


def test_a_run_that_started_from_another_goes_on_where_it_was_killed(
    before: Callable[[str], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"start_from": str(before("cross_stitch").path), "network.freeze": "old", "checkpoint_every": 1}
    recipe = recipe_for("cross_stitch", [*OLD, "normals"], **keys)
    whole = train(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_before(patch, 1)
        with pytest.raises(KilledError):
            train(recipe, tmp_path / "killed")
    resumed = train(recipe, tmp_path / "killed", resume=True)
    ours, theirs = resumed.weights(), whole.weights()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert resumed.scores == whole.scores


def test_old_tasks_that_the_new_data_do_not_have_stay_in_the_network(
    before: Callable[[str], Run], tmp_path: Path
) -> None:
    rooms = {"name": "rooms", "options": {"train_scenes": 8, "test_scenes": 4, "normals": True}, "tasks": ["normals"]}
    keys = {"data.name": "mixed", "data.options": {"parts": [rooms]}, "network.freeze": "old"}
    old = before("hard")
    new = train(recipe_for("hard", None, start_from=str(old.path), **keys), tmp_path / "new")
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        expected, outputs = old.network()(images), new.network()(images)
    assert list(outputs) == [*OLD, "normals"]
    assert all(torch.equal(outputs[task], expected[task]) for task in OLD)
    assert new.score("depth", "abs") is None
    assert "no label" in new.unscored["depth"]
    assert evaluate(new.path).scores == new.scores
    assert since(new, old) is None or since(new, old).identical == OLD


def test_the_change_of_old_tasks_is_said_with_intervals(before: Callable[[str], Run], tmp_path: Path) -> None:
    old = before("hard")
    recipe = recipe_for("hard", OLD, start_from=str(old.path), **{"network.freeze": ["backbone", "task:depth"]})
    changed = since(train(recipe, tmp_path / "new"), old)
    assert changed is not None
    assert changed.identical == ["depth"]
    kept = changed.as_json()["tasks"]
    assert kept["depth"]["abs"]["interval"] == [0, 0]
    miou = kept["segmentation"]["miou"]
    assert miou["now"] - miou["before"] == pytest.approx(miou["change"])
    assert miou["interval"][0] <= miou["interval"][1]
    assert miou["images"] == 4
    cells = list(changed.table(old.tasks).columns[-1].cells)
    assert cells[1] == "identical"


def test_the_command_says_and_keeps_the_change_or_says_why_it_cannot(
    before: Callable[[str], Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = shutil.copytree(before("hard").path, tmp_path / "old")
    words = [
        "--method",
        "hard",
        "--backbone",
        "test_resnet",
        "--network.head",
        "linear",
        "--size",
        "32",
        "48",
        "--steps",
        "1",
        "--epochs",
        "1",
    ]
    words += [
        "--workers",
        "0",
        "--device",
        "cpu",
        "--data.options.train_scenes",
        "8",
        "--data.options.test_scenes",
        "4",
    ]
    command = ["train", "rooms", *words, "--start-from", str(old), "--out", str(tmp_path / "new")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "before" in printed  # the table of the change
    assert printed.rstrip().endswith("predictions.png, since.json")
    kept = json.loads((tmp_path / "new" / "since.json").read_text())
    assert list(kept["tasks"]) == OLD
    shutil.rmtree(old)
    assert not print_since(load_run(tmp_path / "new"), str(old))
    assert "the tasks cannot be compared with the run that they started from" in capsys.readouterr().err


def test_a_run_that_started_from_another_can_start_a_third_and_evaluates_alone(
    before: Callable[[str], Run], tmp_path: Path
) -> None:
    second = train(
        recipe_for(
            "cross_stitch", [*OLD, "normals"], start_from=str(before("cross_stitch").path), **{"network.freeze": "old"}
        ),
        tmp_path / "second",
    )
    moved = second.path.rename(tmp_path / "moved")
    again = load_run(moved)
    with torch.no_grad():
        assert set(again.network()(torch.rand(1, 3, 32, 48))) == {*OLD, "normals"}
    third = begin(moved, "cross_stitch", [*OLD, "normals"])
    assert third.recipe.network.added == (("normals",),)


def test_a_comparison_of_runs_that_start_from_one_goes_on(before: Callable[[str], Run], tmp_path: Path) -> None:
    recipe = recipe_for("cross_stitch", [*OLD, "normals"], start_from=str(before("cross_stitch").path))
    recipe = recipe.model_copy(update={"network": recipe.network.model_copy(update={"freeze": "old"})})
    run = train(recipe, tmp_path / "run")
    assert RunFolder.resumable(run.path, recipe).finished
    assert train(recipe, run.path, resume=True).results == run.results


def test_a_frozen_backbone_of_one_task_serves_those_that_come(before: Callable[[str], Run], tmp_path: Path) -> None:
    one = train(recipe_for("single", ["depth"]), tmp_path / "one")
    job = begin(one, "single", ["depth", "normals"], **{"network.freeze": "backbone"})
    assert job.network.trunk is not None
    assert report(job)["trunk"].startswith("90 tensors of")


def test_one_trunk_cannot_keep_tasks_with_backbones_of_their_own(before: Callable[[str], Run]) -> None:
    keys = {"network.freeze": "old"}
    with pytest.raises(InputError, match="and one trunk can keep only one"):
        begin(before("afa"), "hard", [*OLD, "normals"], **keys)
    begin(before("hard"), "single", [*OLD, "normals"], **keys)


@pytest.mark.parametrize(("method", "fresh"), [("cross_stitch", []), ("afa", ["fusion"]), ("afa", ["head.depth"])])
def test_with_old_frozen_nothing_of_the_old_tasks_starts_fresh(
    method: str, fresh: list[str], before: Callable[[str], Run]
) -> None:
    keys: dict[str, Any] = {"fresh": fresh, "network.freeze": "old"}
    with pytest.raises(InputError, match=r"would start fresh, so the tasks of .* would not answer as before"):
        begin(before("afa"), method, ["normals"], **keys)
