"""The data of an evaluation: opened, and compared with what the run learnt before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from afanet.data import Data, Split
from afanet.data.cache import use_cache
from afanet.errors import InputError, unknown
from afanet.evaluation.protocol import Protocol
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run
from afanet.runs.setup import choose_tasks, data_cache, open_whole
from afanet.tasks import Task, read_task

RECIPES = (".yaml", ".yml")
APPEARANCE = ("colours", "far", "decimals", "directions", "range", "mirror", "swap")  # no part of what a task means


def recipe_for(run: Run, protocol: Protocol) -> Recipe:
    """The recipe of the run with the data of the protocol; raises as `load_recipe` does.

    A recipe gives the name, the path and the options of its data; the size stays the run's.
    """
    given, data = protocol.data, run.recipe.data
    if given is None:
        return run.recipe
    if given.suffix.lower() in RECIPES and given.is_file():
        other = load_recipe(given).data
        changed = data.model_copy(update={"name": other.name, "root": other.root, "options": other.options})
    else:
        changed = data.model_copy(update={"root": given.absolute()})
    return run.recipe.model_copy(update={"data": changed})


def open_split(run: Run, recipe: Recipe, protocol: Protocol) -> tuple[Data, Split, dict[str, Task]]:
    """The data, the split as the test split is read, and the tasks to score.

    Raises `InputError` for data that cannot be used, for a split that is not there or empty, for a task that run or
    data do not have, and for one that means something else in the data.
    """
    data = open_whole(recipe, needed=())
    tasks = _tasks(run, recipe, data, protocol)
    source = protocol.data or recipe.data.name
    split = data.splits.get(protocol.split)
    if split is None or not len(split):
        there = [name for name, each in data.splits.items() if len(each)]
        raise InputError(f"{source} has no sample in its split {protocol.split}, expected one of: {', '.join(there)}")
    if protocol.split == "train":  # stored images may be smaller than their files
        split = Split(split.read, split.items, data.test.transform)
        return replace(data, train=split), split, tasks
    if protocol.at == "scored":
        data, _ = use_cache(data, data_cache(recipe))
    return data, data.splits[protocol.split], tasks


def _tasks(run: Run, recipe: Recipe, data: Data, protocol: Protocol) -> dict[str, Task]:
    """The tasks to score, as the run learnt them."""
    described = run.described
    kept = bool(described) and all(description.meaning for description in described.values())
    learnt = {name: read_task(each) for name, each in described.items()} if kept else choose_tasks(recipe, data)
    for name in protocol.tasks or ():
        if name not in learnt:
            raise unknown(f"task of {run.path}", name, learnt)
        if (protocol.tasks or ()).count(name) > 1:
            raise InputError(f"task '{name}' is named twice: name each task once")
    tasks = {name: task for name, task in learnt.items() if name in (protocol.tasks or learnt)}
    source = protocol.data or recipe.data.name
    for name, task in tasks.items():
        if name not in data.tasks:
            raise InputError(
                f"{source} has no task '{name}', which {run.path} learnt, but {', '.join(data.tasks)}: give other "
                "data, or name the tasks that both have with --tasks"
            )
        if differing := _difference(task.meaning, data.tasks[name].meaning):
            key, ours, theirs = differing
            raise InputError(
                f"task '{name}' of {source} has {key} {theirs!s:.120}, and {run.path} learnt {ours!s:.120}: its scores "
                "there would say nothing; give data with the same tasks"
            )
    return tasks


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first key in which two tasks mean different things, with both values; None if they mean the same."""
    keys = [key for key in {**ours, **theirs} if key not in APPEARANCE]
    return next(((key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)), None)
