"""A training run and its evaluation, from a recipe to a folder."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, redirect_stderr
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from afanet import __version__
from afanet.data import Batch, Collate, Data
from afanet.data.cache import fingerprint
from afanet.data.checks.faults import check_samples, unchecked
from afanet.distributed.device import computes_in_bf16, find_device, find_precision
from afanet.distributed.launch import launch
from afanet.distributed.processes import create_fabric, to_launch
from afanet.distributed.started import first, started
from afanet.errors import InputError
from afanet.progress import Bar, say
from afanet.recipe.code import with_code
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.checkpoint import load_checkpoint, read_checkpoint
from afanet.runs.finite import what_to_do
from afanet.runs.folder import RunFolder, default_folder
from afanet.runs.hold import held, require_free
from afanet.runs.setup import build_network, data_cache, deterministic, open_tasks, plain_errors
from afanet.tasks import Description, Task
from afanet.training.balancing.checks import check_combination
from afanet.training.balancing.shared import shared_parameters
from afanet.training.cost import flops, parameters
from afanet.training.learner import Learner, channels_last
from afanet.training.loaders import train_loader
from afanet.training.loop import Loop, total_steps
from afanet.training.records.loggers import check_loggers
from afanet.training.scoring import Scores, score, scored_splits
from afanet.training.warm_start import warm_start

EXAMPLES = 4


@dataclass(frozen=True)
class Run:
    """What came of a run: its folder, its figures, and what it predicts for a few test samples.

    `results["tasks"][TASK][METRIC]` are the figures over the test split of the epoch that the recipe selects,
    `results["validation"]` those over the validation split, if there is one.
    """

    folder: RunFolder
    results: dict[str, Any]
    tasks: dict[str, Task]
    examples: Batch
    predictions: dict[str, Tensor]


@dataclass(frozen=True)
class _Job:
    """All that a run needs, checked."""

    recipe: Recipe
    data: Data
    tasks: dict[str, Task]
    network: nn.Module
    weights_report: str


def train(recipe: Recipe, out: Path | None = None, *, resume: bool = False) -> Run:
    """Train by `recipe` and keep everything in the folder `out`, which must be new or empty.

    With `resume` the folder may be one in which a run by the same recipe was interrupted, which then goes on from its
    last checkpoint, on the CPU to the same end, bit for bit. The figures are those of the last epoch on the test split
    (or of the epoch that did best on the validation split): no epoch is chosen by them. Raises `InputError` for
    anything in the recipe or the data that cannot be used, and then leaves no new folder behind.
    """
    recipe = with_code(resolve(recipe))
    path = out or default_folder(recipe)
    count = to_launch(recipe, find_device(recipe.device))
    folder = RunFolder(path)
    if first():
        require_free(folder)
        RunFolder.usable(path, recipe, resume)
    with plain_errors(), ExitStack() as open_folder:
        begun = recipe
        if recipe.two_stage:
            _hold(open_folder, folder, recipe, resume)
            begun = _first_stage(recipe, folder, resume)
        job = _prepare(begun)
        say(job.data.describe)
        for report in filter(None, job.weights_report.splitlines()):
            say(report)
        train_loader(job.data, recipe, world=count or started().world)
        if first():
            _check(job.data, recipe.workers)
        if not recipe.two_stage:
            _hold(open_folder, folder, recipe, resume)
        if count:
            launch(_fit_in_one_of_several, count, begun, folder.path)
        else:
            _fit(job, folder)
    results = folder.read_results()
    return Run(folder, results, job.tasks, *_predict_examples(job, folder))


def evaluate(path: Path, device: str | None = None) -> Run:
    """The figures of the run in folder `path` on its test split, from its checkpoint; kept in evaluation.json.

    On the kind of machine it was trained on they equal those at the end of training bit for bit. Raises `InputError`
    where the folder is none of a run, or the checkpoint is one of another network.
    """
    folder = RunFolder.existing(path)
    if (then := folder.read_metrics()) and then["threads"]:
        # How many threads share a sum decides its last bits.
        torch.set_num_threads(then["threads"])
    recipe = folder.read_recipe()
    place = find_device(device or recipe.device)
    data, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, weights="none")
    load_checkpoint(network, folder.weights(recipe))
    job = _Job(recipe, data, tasks, network, "")
    with plain_errors(), deterministic():
        scores = _score(job, create_fabric(recipe, place), network, "train the run again with a lower optimizer.lr")
    results = {"recipe": recipe.name, "method": recipe.network.method, **scores}
    folder.write(folder.evaluation, results)
    return Run(folder, results, tasks, *_predict_examples(job, folder))


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with the precision that `auto` means on its device."""
    device = find_device(recipe.device)
    precision = find_precision(recipe.precision, device)
    if precision == "bf16" and not computes_in_bf16(device):
        say(f"warning: this {device.type} has no instructions for bf16: expect many times the time of float32")
    return recipe.model_copy(update={"precision": precision})


def _hold(stack: ExitStack, folder: RunFolder, recipe: Recipe, resume: bool) -> None:
    """Hold the folder until the stack is left; of several processes the first does so for all."""
    if first():
        stack.enter_context(held(folder, recipe, resume))


def _first_stage(recipe: Recipe, folder: RunFolder, resume: bool) -> Recipe:
    """Train the single-task networks that the run begins with; returns its recipe with these as its warm start."""
    say("first stage: single-task networks")
    train(for_method(recipe, "single"), folder.single, resume=resume)
    say("second stage")
    return recipe.model_copy(update={"warm_start": (folder.single.absolute(),)})


def _prepare(recipe: Recipe) -> _Job:
    torch.manual_seed(recipe.seed)
    data, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, recipe.network.weights)
    check_combination(
        recipe.balancing.name,
        tasks=len(tasks),
        shared=bool(shared_parameters(network, list(tasks), recipe.data.window)[0]),
        guarded=recipe.network.guard is not None,
        accumulate=recipe.optimizer.accumulate,
        compile=recipe.network.compile,
        precision=recipe.precision,
    )
    reports = [str(network.weights_report)]
    if recipe.warm_start:
        reports.append(warm_start(network, list(tasks), recipe.warm_start, recipe.warm_heads))
    check_loggers(recipe.loggers)
    if recipe.select == "validation" and data.validation is None:
        raise InputError(
            f"select is 'validation', and data set '{recipe.data.name}' has no validation split here: ask for one by "
            "the data set's options, or select 'last'"
        )
    return _Job(recipe, data, tasks, network, "\n".join(reports))


def _check(data: Data, workers: int) -> None:
    """Read everything once, so that a bad file is found now and not after hours; a cache was made by doing so."""
    if count := sum(map(len, unchecked(data))):
        say(f"reading {count} samples once, before training: `afanet data prepare` makes that unnecessary")
        with Bar(count, "reading") as bar:
            check_samples(data, workers=workers, advance=bar.advance)


def _fit_in_one_of_several(recipe: Recipe, path: Path) -> None:
    with plain_errors():
        with redirect_stderr(StringIO()):  # all of it was said before
            job = _prepare(recipe)
        _fit(job, RunFolder(path))


def _fit(job: _Job, folder: RunFolder) -> None:
    """Train to the end, from the checkpoint in `folder` if there is one, and write the figures there."""
    recipe, data = job.recipe, job.data
    saved: dict[str, Any] = {}
    if folder.checkpoint.exists():
        saved = read_checkpoint(folder.checkpoint).get("training", {})
        torch.set_num_threads(saved["threads"])
    cost = {"parameters": parameters(job.network), "flops": flops(job.network, recipe.data.size)}
    with deterministic():
        fabric = create_fabric(recipe, find_device(recipe.device))
        content = fingerprint(data, data_cache(recipe)) if fabric.is_global_zero else None
        batches = len(train_loader(data, recipe))
        learner = Learner(fabric, job.network, job.tasks, recipe, total_steps(batches, recipe))
        loop = Loop(learner, data, folder, saved)
        if saved:
            say(f"going on after step {learner.step} of {learner.steps}")
        loop.run()
        loop.require_selected()
        trained = perf_counter()
        load_checkpoint(learner.scored, folder.weights(recipe))
        scores = _score(job, fabric, learner.scored, what_to_do(folder, learner.step))
        loop.close(scores["tasks"])
    if learner.skipped:
        say(f"{learner.skipped} of {learner.step} steps were left out, for a loss that was not finite")
    if fabric.is_global_zero:
        results = {
            "recipe": recipe.name,
            "method": recipe.network.method,
            **scores,
            "data": data.describe,
            "described": {name: Description.of(task).as_json() for name, task in job.tasks.items()},
            "fingerprint": content,
            "weights": job.weights_report,
            "epochs": -(-learner.step // loop.per_epoch),
            "steps": learner.step,
            "selected_epoch": loop.selection.epoch if recipe.select == "validation" else None,
            "skipped": learner.skipped,
            "seconds": {"training": loop.seconds, "evaluation": perf_counter() - trained},
            **cost,
            "device": str(fabric.device),
            "processes": fabric.world_size,
            "threads": torch.get_num_threads(),
            "versions": versions(),
            "git": git_state(),
        }
        folder.write(folder.metrics, results)
    fabric.barrier()


def _score(job: _Job, fabric: Any, network: nn.Module, advice: str) -> dict[str, Scores]:
    """The scores of every split that is scored at the end; raises `InputError`, with `advice`, where they are none."""
    network = fabric.to_device(channels_last(network))  # as in training, for the last bit's sake
    scores = {}
    for key, split in scored_splits(job.data).items():
        scored = score(fabric, network, job.tasks, job.data, split, job.recipe)
        if scored.fault:
            name = "test" if key == "tasks" else key
            raise InputError(f"after training, on the {name} split, {scored.fault}: {advice}")
        scores[key] = scored.scores
    return scores


def _predict_examples(job: _Job, folder: RunFolder) -> tuple[Batch, dict[str, Tensor]]:
    """Test samples from all over the split, and what the network predicts for them in float32 on the CPU."""
    network = build_network(job.recipe, job.tasks, weights="none")
    load_checkpoint(network, folder.weights(job.recipe))
    count = len(job.data.test)
    chosen = torch.linspace(0, count - 1, min(EXAMPLES, count)).long().tolist()
    batch = Collate(job.data.tasks)([job.data.test[index] for index in chosen])
    with torch.inference_mode():
        logits = network.eval()(batch["image"])
    return batch, {name: task.predict(logits[name]) for name, task in job.tasks.items()}


def versions() -> dict[str, str]:
    """The versions of what computed the figures."""
    others = ("torch", "timm", "lightning", "torchmetrics", "torchjd")
    return {"afanet": __version__} | {package: version(package) for package in others}


def git_state() -> str | None:
    """The commit that the package runs from, marked where files differ from it; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
