"""Everything that training needs, built from a recipe and checked before training begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from afanet.data import Data
from afanet.errors import InputError
from afanet.networks import Woven
from afanet.networks.freeze import SEVERAL, freeze_plan
from afanet.networks.freezing import Freezing
from afanet.recipe.freezing import frozen_in_training
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network, how_to_validate, open_tasks
from afanet.tasks import Task
from afanet.training.balancing.checks import check_combination, check_weights
from afanet.training.balancing.shared import learning_tasks, shared_parameters
from afanet.training.checkpointing import check_checkpointing
from afanet.training.cost import parameters
from afanet.training.distilling.teacher import read_teachers
from afanet.training.distilling.teachers import Teachers
from afanet.training.records.loggers import check_loggers
from afanet.training.sampler import require_sampler
from afanet.training.selection import read_by, why_validation
from afanet.training.starting.source import covers_backbones, fresh_parts, read_source
from afanet.training.starting.start import start
from afanet.training.warm_start import require_same_images, warm_start


@dataclass(frozen=True)
class Job:
    """A recipe with its data, tasks and network, the tasks with parts that learn, and how many values learn.

    `weights_report` says which weights the network begins with; `parts` says where each part has them from, if the
    network starts from a run. `counts` are the label counts, by task, behind balanced class weights.
    """

    recipe: Recipe
    data: Data
    tasks: dict[str, Task]
    network: nn.Module
    weights_report: str
    learning: Sequence[str] = ()
    parts: Sequence[str] = ()
    parameters: int = 0
    teachers: Teachers | None = None
    counts: dict[str, list[int]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Lines on the data, and on wishes that the backbone cannot meet."""
        return [*self.data.notes, *getattr(self.network, "notes", ())]


def prepare(recipe: Recipe) -> Job:
    """Build what `recipe` names, with the weights that training begins with.

    Raises `InputError` for anything in the recipe that cannot be used, by itself or in combination.
    """
    torch.manual_seed(recipe.seed)
    source = None if recipe.start_from is None else read_source(recipe.start_from)
    data, tasks = open_tasks(recipe, None if source is None else source.tasks)
    read_by(recipe.select_by, tasks)
    begun = source is not None and covers_backbones(source, recipe, tasks)
    network = build_network(recipe, tasks, "none" if begun else recipe.network.weights)
    learning, shared, count = _learnt(recipe, network, list(tasks))
    check_combination(
        recipe.balancing.name,
        tasks=len(learning),
        shared=shared,
        guarded=recipe.network.guard is not None,
        accumulate=recipe.optimizer.accumulate,
        compile=recipe.network.compile,
        precision=recipe.precision,
    )
    check_checkpointing(recipe, network)
    require_sampler(recipe, data, tasks)
    check_weights(recipe.balancing.name, learning, recipe.balancing.weights)
    reports, parts = [str(network.weights_report)], list[str]()
    if source is not None:
        reports = [] if begun or recipe.network.weights == "none" else reports
        reports.append(f"the network starts from {source.title}")
        kept = recipe.old_tasks if SEVERAL in freeze_plan(recipe.network.freeze) else ()
        parts = start(network, source, tasks, fresh_parts(recipe, source), kept)
    if recipe.warm_start:
        reports = [] if recipe.network.weights == "none" else reports  # they would be about weights that are replaced
        reports.append(warm_start(network, list(tasks), recipe.warm_start, recipe.warm_heads))
        require_same_images(recipe)
    teachers = _teachers(recipe, {name: tasks[name] for name in learning})
    parts += [] if teachers is None else teachers.lines
    check_loggers(recipe.loggers)
    if (why := why_validation(recipe)) and data.validation is None:
        raise InputError(
            f"{why.key}, but data set '{recipe.data.name}' has no validation split here: "
            f"{how_to_validate(recipe)}, or {why.otherwise}"
        )
    return Job(recipe, data, tasks, network, "\n".join(reports), learning, parts, count, teachers)


def _teachers(recipe: Recipe, tasks: Mapping[str, Task]) -> Teachers | None:
    if recipe.distill and recipe.distill_features and recipe.network.compile:
        raise InputError(
            "distill_features looks into a network that network.compile has compiled: leave one of them out"
        )
    if recipe.distill:
        return Teachers(recipe, tasks, read_teachers(recipe.distill, tasks, recipe.network.in_chans))
    for key in ("distill_weight", "distill_temperature", "distill_features"):
        if getattr(recipe, key) != Recipe.model_fields[key].default:
            raise InputError(f"{key} says how tasks learn from teachers, but there are none: give --distill RUN too")
    return None


def _learnt(recipe: Recipe, network: Woven, tasks: Sequence[str]) -> tuple[list[str], bool, int]:
    """The tasks with parts that learn, now or later, whether they always share what learns, and how many values learn.

    Raises `InputError` for parts to freeze that do not exist, and if nothing learns.
    """
    freezing = Freezing(network, frozen_in_training(recipe), recipe.old_tasks)
    images = recipe.data.window, recipe.network.in_chans
    freezing.apply(freezing.last)
    learning, count = learning_tasks(network, tasks, *images), parameters(network)
    shared = bool(shared_parameters(network, learning, *images)[0])
    if freezing.apply(0) and shared:
        shared = bool(shared_parameters(network, learning, *images)[0])
    freezing.release()
    return learning, shared, count
