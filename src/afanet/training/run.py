"""A training run and its evaluation, from a recipe to a folder."""

from __future__ import annotations

from contextlib import ExitStack, redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import torch

from afanet.data.resident import require_resident
from afanet.distributed.device import find_device, find_precision, is_faster_in_bf16
from afanet.distributed.launch import launch
from afanet.distributed.processes import create_fabric, to_launch
from afanet.distributed.started import is_main_process, started
from afanet.json_text import strict
from afanet.progress import say
from afanet.recipe.code import with_code
from afanet.recipe.preprocessing import normalisation, said_of_images, with_normalisation_of_backbone
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.folder import RunFolder, default_folder
from afanet.runs.hold import held, require_free
from afanet.runs.run import Run, load_begun, load_run
from afanet.runs.setup import deterministic, load_network, plain_errors
from afanet.tasks import Description
from afanet.training.balancing.methods import find_balancing
from afanet.training.first_look import look_first
from afanet.training.fit import fit, score_splits
from afanet.training.job import Job, prepare
from afanet.training.loaders import train_loader
from afanet.training.selection import Watch
from afanet.training.starting.more import more_epochs
from afanet.training.starting.source import taken_over


def train(recipe: Recipe, out: Path | None = None, *, resume: bool = False, watch: Watch | None = None) -> Run:
    """Train by `recipe` and keep everything in the folder `out`, which must be new or empty.

    With `resume`, the folder may hold an interrupted run by the same recipe; it continues from its last checkpoint, on
    the CPU to the same result, bit for bit. If that run has finished and the recipe has more epochs, a new run beside
    it starts from it. The scores are those of the last epoch on the test split (or of the epoch that did best on the
    validation split): no epoch is chosen by them.

    `watch` is called after each epoch that has scores on the validation split, with its number and the scores by task
    and metric; an exception from it ends the training. It is not called if the run starts several processes.

    Raises `InputError` for anything in the recipe or the data that cannot be used, and then leaves no new folder
    behind. Raises its subclass `DivergedError` if training cannot continue.
    """
    recipe = with_code(resolve(recipe))
    path = out or default_folder(recipe)
    count = to_launch(recipe, find_device(recipe.device))
    folder = RunFolder(path)
    if resume:
        recipe = _continued(folder, recipe)
        if folder.finished and (more := more_epochs(folder, taken_over(recipe))):
            return train(*more, resume=True, watch=watch)
    recipe = taken_over(recipe)
    images = "" if recipe.start_from else said_of_images(recipe.network)
    recipe = with_normalisation_of_backbone(recipe)
    if is_main_process():
        require_free(folder)
        RunFolder.usable(path, recipe, resume)
    if resume and folder.finished:
        say(f"{path} has finished: there is nothing left to train")
        return load_run(path)
    with plain_errors(), ExitStack() as open_folder:
        begun = recipe
        if recipe.two_stage:
            _hold(open_folder, folder, recipe, resume)
            begun = _first_stage(recipe, folder, resume)
        job = prepare(begun)
        say(job.data.describe)
        for note in job.notes:
            say(note)
        for report in filter(None, (*job.weights_report.splitlines(), *job.parts, images)):
            say(report)
        _require_batches(job, world=count or started().world)
        if is_main_process():
            look_first(job.data, job.learning, recipe, () if job.teachers is None else job.teachers.taught)
        if not recipe.two_stage:
            _hold(open_folder, folder, recipe, resume)
        if count:
            launch(_fit_in_one_of_several, count, begun, folder.path)
        else:
            fit(job, folder, watch)
    return replace(load_run(path), opened=job.data)


def evaluate(path: Path, device: str | None = None) -> Run:
    """Score the run in folder `path` again from its checkpoint; the scores are kept in evaluation.json.

    Returns the run with these scores instead of those at the end of training; the two are equal bit for bit on the kind
    of machine that trained it. A run that was interrupted is scored by its last checkpoint. Raises `InputError` if the
    folder is not a run, or the checkpoint belongs to another network.
    """
    run = load_begun(path)
    if threads := run.results.get("threads"):
        # The last bits of a sum depend on the number of threads.
        torch.set_num_threads(threads)
    recipe, folder = run.recipe, run.folder
    computing_on = find_device(device or recipe.device)
    data, tasks = run.open()
    network = load_network(recipe, tasks, folder.weights(recipe))
    job = Job(recipe, data, tasks, network, "")
    advice = "train the run again with a lower optimizer.lr"
    with plain_errors(), deterministic():
        scores = score_splits(job, create_fabric(recipe, computing_on), network, advice)
    results = strict({"recipe": recipe.name, "method": recipe.network.method, **scores})
    folder.write(folder.evaluation, results)
    kept = {key: value for key, value in run.results.items() if key != "validation"}
    described = {name: Description.of(task).as_json() for name, task in tasks.items()}
    return replace(run, results=kept | {"described": described} | results, opened=data)


def _continued(folder: RunFolder, recipe: Recipe) -> Recipe:
    """The recipe with which the run in the folder continues; prints what a new run would do differently."""
    continued = folder.continued(recipe)
    then, now = continued.balancing.scale, recipe.balancing.scale
    if then != now and find_balancing(recipe.balancing.name).kind == "gradient":
        say(f"{folder.path} is from a version without balancing.scale: it goes on with '{then}', not '{now}'")
    kept, fresh = normalisation(continued.network), normalisation(recipe.network)
    if kept != fresh:
        say(
            f"{folder.path} still normalises images by mean {list(kept.mean)} and std {list(kept.std)}; a "
            f"new run would use {list(fresh.mean)} and {list(fresh.std)}, as its backbone's weights do"
        )
    return continued


def resolve(recipe: Recipe) -> Recipe:
    """The recipe with the precision that `auto` means on its device."""
    device = find_device(recipe.device)
    precision = find_precision(recipe.precision, device)
    if precision == "bf16" and not is_faster_in_bf16(device):
        say(f"warning: this {device.type} has no fast instructions for bf16: training will be slower than in float32")
    return recipe.model_copy(update={"precision": precision})


def _hold(stack: ExitStack, folder: RunFolder, recipe: Recipe, resume: bool) -> None:
    """Hold the folder until the stack closes; of several processes, the main one does so for all."""
    if is_main_process():
        stack.enter_context(held(folder, recipe, resume))


def _require_batches(job: Job, world: int) -> None:
    """Raise `InputError` if the data cannot be divided into batches, or cannot be resident as the recipe wants."""
    train_loader(job.data, job.recipe, world=world)
    if job.recipe.data.resident:
        require_resident(job.data, job.tasks, find_device(job.recipe.device))


def _first_stage(recipe: Recipe, folder: RunFolder, resume: bool) -> Recipe:
    """Train the single-task networks that the run begins with; returns the recipe with these as its warm start."""
    say("first stage: single-task networks")
    train(for_method(recipe, "single"), folder.single, resume=resume)
    say("second stage")
    return recipe.model_copy(update={"warm_start": (folder.single.absolute(),)})


def _fit_in_one_of_several(recipe: Recipe, path: Path) -> None:
    with plain_errors():
        with redirect_stderr(StringIO()):  # the main process has printed it already
            job = prepare(recipe)
        fit(job, RunFolder(path))
