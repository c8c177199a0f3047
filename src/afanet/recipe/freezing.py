"""Which parts of a recipe's network are frozen when it is built, which in training, and which tasks joined later."""

from __future__ import annotations

from collections.abc import Iterable

from afanet.networks.freeze import SEVERAL, Plan, freeze_plan, of_trunk
from afanet.networks.methods import METHODS
from afanet.recipe.schema import Recipe


def frozen_in_form(recipe: Recipe) -> list[str]:
    """The parts that are frozen for good when the network is built, so that tasks share one frozen trunk.

    >>> from afanet.recipe.load import load_recipe
    >>> recipe = load_recipe("rooms", {"network.method": "hard", "network.freeze": ["old", "heads"]})
    >>> frozen_in_form(recipe), frozen_in_training(recipe)
    (['heads', 'backbone'], {'old': None})
    """
    plan, shares = freeze_plan(recipe.network.freeze), METHODS[recipe.network.method].share
    names = [what for what, epochs in plan.items() if epochs is None and what != SEVERAL]
    if not (shares or recipe.network.share_frozen):
        names = [what for what in names if what not in of_trunk(names)]
    if shares and plan.get(SEVERAL, 0) is None and "backbone" not in names and not recipe.network.lora:
        names.append("backbone")
    return names


def frozen_in_training(recipe: Recipe) -> Plan:
    """The parts that are frozen while the network trains, besides those of `frozen_in_form`."""
    form = frozen_in_form(recipe)
    return {what: epochs for what, epochs in freeze_plan(recipe.network.freeze).items() if what not in form}


def added_groups(recipe: Recipe, tasks: Iterable[str]) -> list[list[str]]:
    """The groups of tasks that joined later: those of the earlier run, and with `freeze: old` also the new tasks."""
    tasks = list(tasks)
    if METHODS[recipe.network.method].fusion is None:
        return []
    groups = [[task for task in tasks if task in group] for group in recipe.network.added or ()]
    if SEVERAL in freeze_plan(recipe.network.freeze):
        known = {*recipe.old_tasks, *(task for group in groups for task in group)}
        groups.append([task for task in tasks if task not in known])
    return [group for group in groups if group]
