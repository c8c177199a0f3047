"""The data of an evaluation: opened, and checked against the run's tasks before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from afanet.data import Data, Split
from afanet.data.cache import use_cache
from afanet.errors import InputError, unknown
from afanet.evaluation.protocol import Protocol
from afanet.inference.model import About
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run
from afanet.runs.setup import choose_tasks, data_cache, open_whole
from afanet.tasks import Task, read_task

RECIPES = (".yaml", ".yml")
APPEARANCE = ("colours", "far", "decimals", "directions", "range", "mirror", "swap")  # no change of meaning


def recipe_for(run: Run, protocol: Protocol) -> Recipe:
    """The recipe of the run with the data of the protocol; raises as `load_recipe` does.

    A recipe gives the name, the path and the options of its data; the size stays the run's.
    """
    return _with_data(run.recipe, protocol.data)


def recipe_for_file(file: Path, about: About, protocol: Protocol) -> Recipe:
    """A recipe with the data of the protocol, read as the exported `file` takes images.

    Its base is the recipe that the protocol names, or the `recipe.yaml` of the run, beside the file. Raises
    `InputError` if there is neither.
    """
    given, beside = protocol.data, file.parent / "recipe.yaml"
    if given is not None and _is_recipe(given):
        recipe = load_recipe(given)
    elif beside.is_file():
        recipe = _with_data(load_recipe(beside), given)
    else:
        raise InputError(
            f"{file} is not in the folder of its run, so its data are unknown: give a recipe that names them, "
            "such as the run's recipe.yaml, with --data"
        )
    data = recipe.data.model_copy(update={"size": about.size, "resize": about.resize})
    taken = {"in_chans": len(about.mean), "mean": about.mean, "std": about.std}
    network = recipe.network.model_copy(update=taken)
    return recipe.model_copy(update={"data": data, "network": network})


def _is_recipe(path: Path) -> bool:
    return path.suffix.lower() in RECIPES and path.is_file()


def _with_data(recipe: Recipe, given: Path | None) -> Recipe:
    if given is None:
        return recipe
    if not _is_recipe(given):
        return with_data(recipe, root=given.absolute())
    other = load_recipe(given).data
    return with_data(recipe, name=other.name, root=other.root, options=other.options, stream=other.stream)


def with_data(recipe: Recipe, **of_data: Any) -> Recipe:
    """The recipe with other data, and without its own stream, which does not contain them."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"stream": None, **of_data})})


def open_split(run: Run, recipe: Recipe, protocol: Protocol) -> tuple[Data, Split, dict[str, Task]]:
    """The data, the split as the test split is read, and the tasks to score, as the run learnt them.

    Raises `InputError` for data that cannot be used, for a split that is missing or empty, for a task that the run or
    the data do not have, and for a task with another meaning in the data.
    """
    data = open_whole(recipe, needed=())
    described = run.described
    kept = bool(described) and all(description.meaning for description in described.values())
    learnt = {name: read_task(each) for name, each in described.items()} if kept else choose_tasks(recipe, data)
    names = _common(run.path, {name: task.meaning for name, task in learnt.items()}, recipe, data, protocol)
    return *_split(recipe, data, protocol), {name: learnt[name] for name in names}


def open_split_for_file(
    file: Path, about: About, recipe: Recipe, protocol: Protocol
) -> tuple[Data, Split, dict[str, Task]]:
    """As `open_split`, for the tasks of an exported file, which are taken from the data if both mean the same."""
    data = open_whole(recipe, needed=())
    names = _common(file, about.tasks, recipe, data, protocol)
    return *_split(recipe, data, protocol), {name: data.tasks[name] for name in names}


def _split(recipe: Recipe, data: Data, protocol: Protocol) -> tuple[Data, Split]:
    split = data.splits.get(protocol.split)
    if split is None or not len(split):
        there = [name for name, each in data.splits.items() if len(each)]
        raise InputError(
            f"{protocol.data or recipe.data.name} has no sample in its split {protocol.split}, expected one of: "
            f"{', '.join(there)}"
        )
    if protocol.split == "train":  # stored images may be smaller than their files
        split = Split(split.read, split.items, data.test.transform)
        return replace(data, train=split), split
    if protocol.at == "scored":
        data, _ = use_cache(data, data_cache(recipe))
    return data, data.splits[protocol.split]


def _common(
    path: Path, learnt: Mapping[str, Mapping[str, Any]], recipe: Recipe, data: Data, protocol: Protocol
) -> list[str]:
    """The tasks to score of the network at `path`, by the meanings that it learnt."""
    for name in protocol.tasks or ():
        if name not in learnt:
            raise unknown(f"task of {path}", name, learnt)
        if (protocol.tasks or ()).count(name) > 1:
            raise InputError(f"task '{name}' is named twice: name each task once")
    names = [name for name in learnt if name in (protocol.tasks or learnt)]
    source = protocol.data or recipe.data.name
    for name in names:
        if name not in data.tasks:
            raise InputError(
                f"{source} has no task '{name}', which {path} learnt, but {', '.join(data.tasks)}: give other "
                "data, or name the tasks that both have with --tasks"
            )
        if differing := _difference(learnt[name], data.tasks[name].meaning):
            key, ours, theirs = differing
            raise InputError(
                f"task '{name}' of {source} has {key} {theirs!s:.120}, but {path} learnt {ours!s:.120}: its scores "
                "there would say nothing; give data with the same tasks"
            )
    return names


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """The first key in which two tasks mean different things, with both values; None if they mean the same."""
    keys = [key for key in {**ours, **theirs} if key not in APPEARANCE]
    return next(((key, ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)), None)
