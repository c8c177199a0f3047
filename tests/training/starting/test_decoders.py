"""Networks with a decoder begin with other runs: its layers go on only for the same method and tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.networks.methods import METHODS
from afanet.networks.woven import SHARED_EXPERT
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run, load_run
from afanet.runs.setup import build_network, open_tasks
from afanet.tasks import Description
from afanet.training.job import Job
from afanet.training.starting.retask import _write, retask

from .test_retask import outputs
from .test_starting import OLD, begin, recipe_for, report

DECODERS = [name for name in METHODS.own if METHODS[name].decoder]
BACKBONES = {"backbone of segmentation", "backbone of depth"}
HEADS = {"head of segmentation", "head of depth"}
Untrained = Callable[[str], Run]
pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory, narrow: None) -> Untrained:
    """Gives a run of the old tasks by method, whose weights are random."""
    runs: dict[str, Run] = {}

    def give(method: str) -> Run:
        if method not in runs:
            recipe = recipe_for(method, OLD)
            tasks = open_tasks(recipe)[1]
            torch.manual_seed(len(runs))
            network = build_network(recipe, tasks, "none")
            described = {name: Description.of(task).as_json() for name, task in tasks.items()}
            unscored = {name: dict.fromkeys(task.higher_is_better) for name, task in tasks.items()}
            folder = RunFolder.fresh(tmp_path_factory.mktemp("untrained") / method)
            counts = {"parameters": 1, "flops": 1, "threads": 1}
            _write(folder, recipe, {"tasks": unscored, "described": described, **counts}, network.state_dict())
            runs[method] = load_run(folder.path)
        return runs[method]

    return give


def taken(job: Job) -> set[str]:
    """The parts that begin with those of the run."""
    return {part for part, begins in report(job).items() if " tensors of " in begins}


def state(job: Job, start: str) -> dict[str, Tensor]:
    """The job's tensors whose names begin so, without that beginning."""
    return {name.removeprefix(start): x for name, x in job.network.state_dict().items() if name.startswith(start)}


@pytest.mark.parametrize("method", DECODERS)
def test_a_run_by_the_same_method_goes_on_whole_and_other_tasks_need_new_layers(
    method: str, untrained: Untrained
) -> None:
    run = untrained(method)
    job = begin(run, method, OLD)
    assert "fresh" not in report(job).values()
    ours, theirs = job.network.state_dict(), run.weights()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    tasks = ["depth", "normals"]  # as many as before
    said = r"join the tasks segmentation, depth, and .* depth, normals: .* with --fresh fusion$"
    with pytest.raises(InputError, match=said):
        begin(run, method, tasks)
    parts = taken(begin(run, method, tasks, fresh=["fusion"]))
    assert "head of depth" in parts
    assert not any(part.startswith("fusion") for part in parts)
    with pytest.raises(InputError, match="tasks that join change the features of the others"):
        begin(run, method, [*OLD, "normals"], **{"network.freeze": "old"})


@pytest.mark.parametrize(
    ("source", "method", "parts"),
    [
        ("single", "mmoe", BACKBONES | HEADS),
        ("hard", "cgc", {"shared backbone"} | BACKBONES | HEADS),
        ("mmoe", "cgc", {"shared backbone"} | BACKBONES | HEADS),
        ("cgc", "hard", {"trunk"} | HEADS),
        ("mmoe", "sluice", BACKBONES | HEADS),
    ],
)
def test_between_methods_backbones_and_heads_go_on_and_gates_do_not(
    source: str, method: str, parts: set[str], untrained: Untrained
) -> None:
    assert taken(begin(untrained(source), method, OLD)) == parts


@pytest.mark.parametrize("method", ["pad_net", "mti_net", "cross_attention"])
@pytest.mark.parametrize("source", ["single", "pad_net", "mti_net"])
def test_the_trunk_goes_on_into_a_decoder_and_heads_start_fresh(source: str, method: str, untrained: Untrained) -> None:
    if source == method:
        return
    run = untrained(source)
    head = {"network.head": "mlp"}  # the run's are linear
    with pytest.raises(InputError, match=r"another head of segmentation than this .* --fresh head.segmentation"):
        begin(run, method, OLD, **head)
    job = begin(run, method, OLD, fresh=["heads"], **head)
    assert taken(job) == {"trunk"}
    weights = run.weights()
    ours = state(job, "branches.segmentation.backbone.")
    assert all(torch.equal(x, weights[f"branches.segmentation.backbone.{name}"]) for name, x in ours.items())


def test_the_expert_that_all_share_begins_as_the_first_tasks_or_as_that_of_the_run(untrained: Untrained) -> None:
    single, cgc = untrained("single"), untrained("cgc")
    shared = f"fusion.{SHARED_EXPERT}.backbone."
    for run, start in ((single, "branches.segmentation.backbone."), (cgc, shared)):
        weights = run.weights()
        assert all(torch.equal(x, weights[start + name]) for name, x in state(begin(run, "cgc", OLD), shared).items())
    fresh = begin(cgc, "cgc", OLD, fresh=["backbone"])
    assert report(fresh)["shared backbone"] == "fresh"
    assert report(begin(cgc, "cgc", OLD, fresh=["fusion"]))["shared backbone"].startswith("90 tensors of")


@pytest.mark.parametrize("method", DECODERS)
def test_tasks_get_other_names_and_answer_as_before_and_none_can_leave(
    method: str, untrained: Untrained, tmp_path: Path
) -> None:
    run = untrained(method)
    after = retask(run.path, tmp_path / "after", [], {"depth": "far"})
    before, given = outputs(run), outputs(after)
    assert list(given) == ["segmentation", "far"]
    assert all(torch.equal(y, before[{"far": "depth"}.get(task, task)]) for task, y in given.items())
    with pytest.raises(InputError, match=f"is of method '{method}', whose decoder exchanges features between"):
        retask(run.path, tmp_path / "less", ["depth"])
    assert not (tmp_path / "less").exists()
