"""A finished run with fewer tasks, or with tasks under other names, as a run of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from afanet.errors import InputError, unknown
from afanet.files import make_folder, remove_files, remove_folders, write_whole
from afanet.names import name_fault
from afanet.networks.freeze import SEVERAL, TASK, freeze_of, freeze_plan
from afanet.networks.methods import METHODS
from afanet.recipe.freezing import added_groups
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import Recipe, SamplerRecipe
from afanet.recipe.stopping import SelectRecipe
from afanet.recipe.variants import for_method
from afanet.runs.folder import MARK_TEXT, RunFolder
from afanet.runs.run import Run, load_run
from afanet.runs.setup import build_network
from afanet.runs.weights import save_weights
from afanet.training.cost import flops, parameters
from afanet.training.starting.fitting import fits, load
from afanet.training.starting.source import Source, read_source


def retask(source: str | Path, out: Path, drop: Collection[str] = (), rename: Mapping[str, str] = {}) -> Run:
    """Write the run in `source` without the tasks in `drop`, and those in `rename` under other names, to `out`.

    The outputs of the remaining tasks are the same, bit for bit, and so are their scores. Raises `InputError` for an
    unknown task, for an invalid name, for dropping a task from which another takes features, or all tasks, and for a
    folder that is not new or empty; nothing is written then.
    """
    run = read_source(str(source))
    _require_names(run, drop, rename)
    kept = [task for task in run.tasks if task not in drop]
    _require_unread(run, kept, drop)
    recipe = _without(run.recipe, kept, run)
    network = build_network(recipe, {task: run.tasks[task] for task in kept}, "none")
    load(network, run, fits(network, run, ()))
    state = {_renamed(name, rename): tensor for name, tensor in network.state_dict().items()}
    results = {
        **run.run.results,
        "parameters": parameters(network),
        "flops": flops(network, recipe.data.size, recipe.network.in_chans),
    }
    for key in {"tasks", "validation", "described", "teachers", "label_counts"} & results.keys():
        results[key] = results[key] and _by_task(results[key], kept, rename)
    for key in {"unscored", "machine_made"} & results.keys():
        results[key] = {split: _by_task(of_split, kept, rename) for split, of_split in results[key].items()}
    _write(RunFolder.fresh(out), _with_names(recipe, rename), results, state)
    return load_run(out)


def _require_names(run: Source, drop: Collection[str], rename: Mapping[str, str]) -> None:
    for task in (*drop, *rename):
        if task not in run.tasks:
            raise unknown(f"task of {run.name}", task, run.tasks)
    after = [rename.get(task, task) for task in run.tasks if task not in drop]
    if not after:
        raise InputError(f"{run.name} would have no task left: keep one of {', '.join(run.tasks)}")
    for name in after:
        if fault := name_fault(name, {other for other in after if after.count(other) > 1}):
            raise InputError(f"{name!r:.80} cannot name a task, since it {fault}: choose another name")


def _require_unread(run: Source, kept: Collection[str], drop: Collection[str]) -> None:
    """Raise `InputError` if a remaining task takes features of a dropped one."""
    method = run.recipe.network.method
    if drop and METHODS[method].decoder is not None:
        raise InputError(
            f"{run.name} is of method '{method}', whose decoder exchanges features between all tasks, so none can be "
            f"dropped: run only some tasks with --tasks {' '.join(kept)}, which export takes too"
        )
    if METHODS[method].fusion is None:
        return
    groups = [run.first_tasks, *added_groups(run.recipe, run.tasks)]
    for number, group in enumerate(groups):
        readers = [task for later in groups[number:] for task in later if task in kept]
        if readers and (gone := [task for task in group if task in drop]):
            raise InputError(
                f"in {run.name} task '{readers[0]}' takes features of '{gone[0]}' in the fusion layers, so it cannot "
                f"run without that task: let only some tasks run with --tasks {' '.join(kept)}, or drop "
                f"'{readers[0]}' as well"
            )


def _without(recipe: Recipe, kept: list[str], run: Source) -> Recipe:
    """The recipe of the run, for only these tasks."""
    network = recipe.network
    plan = {what: epochs for what, epochs in freeze_plan(network.freeze).items() if epochs is None}
    form = {what: epochs for what, epochs in plan.items() if not what.startswith(TASK) and what != SEVERAL}
    head = {task: name for task, name in network.head.items() if task in kept} if isinstance(network.head, dict) else 0
    groups = [[task for task in group if task in kept] for group in added_groups(recipe, run.tasks)]
    updated = network.model_copy(
        update={
            "freeze": freeze_of(form),
            "added": tuple(tuple(group) for group in groups if group) or None,
            **({"head": head or None} if head != 0 else {}),
        }
    )
    sampled = tuple(task for task in recipe.sampler.tasks if task in kept)
    changes: dict[str, Any] = {
        "tasks": tuple(kept),
        "network": updated,
        "losses": _by_task(recipe.losses, kept, {}),
        "sampler": SamplerRecipe(tasks=sampled, classes=recipe.sampler.classes or not sampled),
        "balancing": recipe.balancing.model_copy(update={"weights": _by_task(recipe.balancing.weights, kept, {})}),
        "optimizer": recipe.optimizer.model_copy(
            update={"rates": {what: rate for what, rate in recipe.optimizer.rates.items() if not what.startswith(TASK)}}
        ),
        **{"old_tasks": (), "start_from": None, "fresh": (), "warm_start": None, "two_stage": False},
        **{key: Recipe.model_fields[key].default for key in Recipe.model_fields if key.startswith("distill")},
    }
    if recipe.select_by and recipe.select_by.partition(".")[0] not in kept:
        changes["select"] = "validation"
    changed = recipe.model_copy(update=changes)
    alone = len(kept) == 1 and METHODS[network.method].fusion is not None
    return for_method(changed, "single") if alone else changed


def _with_names(recipe: Recipe, rename: Mapping[str, str]) -> Recipe:
    """The recipe with tasks under other names."""
    network = recipe.network
    groups = network.added and tuple(tuple(rename.get(task, task) for task in group) for group in network.added)
    head = _by_task(network.head, list(network.head), rename) if isinstance(network.head, dict) else network.head
    weights = recipe.balancing.weights
    select = recipe.select
    if isinstance(select, SelectRecipe):
        task, dot, metric = select.by.partition(".")
        select = SelectRecipe(by=f"{rename.get(task, task)}{dot}{metric}")
    return recipe.model_copy(
        update={
            "select": select,
            "tasks": tuple(rename.get(task, task) for task in recipe.tasks or ()),
            "network": network.model_copy(update={"added": groups, "head": head}),
            "losses": _by_task(recipe.losses, list(recipe.losses), rename),
            "sampler": recipe.sampler.model_copy(
                update={"tasks": tuple(rename.get(t, t) for t in recipe.sampler.tasks)}
            ),
            "balancing": recipe.balancing.model_copy(update={"weights": _by_task(weights, list(weights), rename)}),
        }
    )


def _by_task(values: Mapping[str, Any], kept: Collection[str], rename: Mapping[str, str]) -> dict[str, Any]:
    """Values by task, for the tasks that stay, under their new names."""
    return {rename.get(task, task): value for task, value in values.items() if task in kept}


def _renamed(name: str, rename: Mapping[str, str]) -> str:
    """The name of a tensor, with its task under another name.

    >>> _renamed("branches.age.head.bias", {"age": "years"}), _renamed("fusion.backbone.layer4.alpha", {"age": "years"})
    ('branches.years.head.bias', 'fusion.backbone.layer4.alpha')
    >>> _renamed("fusion.mood.takes.age.gate.weight", {"age": "years"})  # in a decoder
    'fusion.mood.takes.years.gate.weight'
    """
    where, task, *rest = name.split(".")
    if len(rest) > 1 and where == "fusion" and rest[0].startswith("takes"):
        rest[1] = rename.get(rest[1], rest[1])
    return ".".join([where, rename.get(task, task), *rest])


def _write(folder: RunFolder, recipe: Recipe, results: dict[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write a run's files, or none of them."""
    made = make_folder(folder.path)
    files = [folder.mark, folder.scored, folder.recipe, folder.metrics]
    try:
        save_weights(folder.scored, state)
        write_whole(folder.mark, MARK_TEXT)
        write_whole(folder.recipe, dump_recipe(recipe))
        folder.write(folder.metrics, results)  # last, because a run that has it counts as finished
    except BaseException:
        remove_files(files)
        remove_folders(made)
        raise
