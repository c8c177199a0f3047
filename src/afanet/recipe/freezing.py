"""What of a recipe's network is frozen in its form, and what while it trains; and who joined whom."""

from __future__ import annotations

from collections.abc import Iterable

from afanet.networks.freeze import SEVERAL, Plan, freeze_plan, of_trunk
from afanet.networks.methods import METHODS
from afanet.recipe.schema import Recipe


def frozen_in_form(recipe: Recipe) -> list[str]:
    """What is frozen for good as the network is built, so that what tasks have in common is one trunk.

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
    """What is frozen while the network trains, beside what is frozen in its form."""
    form = frozen_in_form(recipe)
    return {what: epochs for what, epochs in freeze_plan(recipe.network.freeze).items() if what not in form}


def added_groups(recipe: Recipe, tasks: Iterable[str]) -> list[list[str]]:
    """The groups of tasks that joined the others: those of the run before, and with `freeze: old` the new ones."""
    tasks = list(tasks)
    if METHODS[recipe.network.method].fusion is None:
        return []
    groups = [[task for task in tasks if task in group] for group in recipe.network.added or ()]
    if SEVERAL in freeze_plan(recipe.network.freeze):
        known = {*recipe.old_tasks, *(task for group in groups for task in group)}
        groups.append([task for task in tasks if task not in known])
    return [group for group in groups if group]
