"""Everything that training needs, built from a recipe and checked before training begins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from afanet.data import Data
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network, open_tasks
from afanet.tasks import Task
from afanet.training.balancing.checks import check_combination, check_weights
from afanet.training.balancing.shared import shared_parameters
from afanet.training.records.loggers import check_loggers
from afanet.training.selection import read_by, why_validation
from afanet.training.warm_start import require_same_images, warm_start


@dataclass(frozen=True)
class Job:
    """A recipe with its data, tasks and network; `weights_report` says what weights the network begins with."""

    recipe: Recipe
    data: Data
    tasks: dict[str, Task]
    network: nn.Module
    weights_report: str

    @property
    def notes(self) -> list[str]:
        """Lines on the data, and on wishes that the backbone cannot fulfil."""
        return [*self.data.notes, *getattr(self.network, "notes", ())]


def prepare(recipe: Recipe) -> Job:
    """Build what `recipe` names, with the weights that training begins with.

    Raises `InputError` for anything in the recipe that cannot be used, alone or together.
    """
    torch.manual_seed(recipe.seed)
    data, tasks = open_tasks(recipe)
    read_by(recipe.select_by, tasks)
    network = build_network(recipe, tasks, recipe.network.weights)
    check_combination(
        recipe.balancing.name,
        tasks=len(tasks),
        shared=bool(shared_parameters(network, list(tasks), recipe.data.window, recipe.network.in_chans)[0]),
        guarded=recipe.network.guard is not None,
        accumulate=recipe.optimizer.accumulate,
        compile=recipe.network.compile,
        precision=recipe.precision,
    )
    check_weights(recipe.balancing.name, list(tasks), recipe.balancing.weights)
    reports = [str(network.weights_report)]
    if recipe.warm_start:
        reports = [] if recipe.network.weights == "none" else reports  # it would be about weights that are replaced
        reports.append(warm_start(network, list(tasks), recipe.warm_start, recipe.warm_heads))
        require_same_images(recipe)
    check_loggers(recipe.loggers)
    if (why := why_validation(recipe)) and data.validation is None:
        raise InputError(
            f"{why.key}, and data set '{recipe.data.name}' has no validation split here: ask for one by "
            f"the data set's options, or {why.otherwise}"
        )
    return Job(recipe, data, tasks, network, "\n".join(reports))
