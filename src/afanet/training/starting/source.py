"""The run that another starts from, and what the new run's recipe takes over from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from afanet.errors import InputError, shown, unknown
from afanet.networks.freeze import SEVERAL, freeze_plan, of_trunk
from afanet.networks.methods import METHODS
from afanet.paths import is_on_hub, near
from afanet.recipe.freezing import added_groups
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.run import Run, load_run
from afanet.tasks import Description


@dataclass(frozen=True)
class Source:
    """A finished run that another starts from: its `name` as a person would write it, and its weights."""

    name: str
    run: Run
    weights: Mapping[str, Tensor]

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run."""
        return self.run.recipe

    @property
    def tasks(self) -> dict[str, Description]:
        """The tasks of the run, in order."""
        return self.run.described or {name: Description.of(task) for name, task in self.run.tasks.items()}

    @property
    def title(self) -> str:
        """The name without folders of this machine, with the method and the tasks."""
        name = self.name if is_on_hub(self.name) else Path(self.name).name
        return f"{name} (method {self.recipe.network.method}, tasks {', '.join(self.tasks)})"

    @property
    def first_tasks(self) -> list[str]:
        """The tasks except those that joined the others."""
        joined = [task for group in added_groups(self.recipe, self.tasks) for task in group]
        return [task for task in self.tasks if task not in joined]

    @property
    def shares_trunk(self) -> bool:
        """Whether the tasks share one backbone or one frozen trunk; true for a single task."""
        _, *others = self.tasks
        return not others or any(f"branches.{task}.backbone" not in self._bodies for task in others)

    @property
    def _bodies(self) -> set[str]:
        return {name[: name.index(".backbone.") + 9] for name in self.weights if ".backbone." in name}


def read_source(start: str) -> Source:
    """The finished run that `start` names; raises `InputError` as `load_run` does, and for a damaged checkpoint."""
    run = load_run(start)
    return Source(near(start), run, run.weights())


def taken_over(recipe: Recipe) -> Recipe:
    """The recipe of a run that starts from another, with what it takes over: groups of tasks, and normalisation.

    Without `start_from` it is returned as it is. Raises `InputError` for keys that exclude each other, and for a run
    with another backbone or other channels.
    """
    if recipe.start_from is None:
        _require_no_start(recipe)
        return recipe
    if recipe.warm_start or recipe.two_stage:
        other = "warm_start" if recipe.warm_start else "two_stage"
        raise InputError(f"start_from and {other} both say which weights to begin with: give one of them")
    source = read_source(recipe.start_from)
    ours, theirs = recipe.network, source.recipe.network
    for key in ("backbone", "in_chans"):
        if getattr(ours, key) != getattr(theirs, key):
            raise InputError(
                f"{source.name} has network.{key} {getattr(theirs, key)}, but this recipe {getattr(ours, key)}: give "
                f"--network.{key} {getattr(theirs, key)}, or start from another run"
            )
    taken = normalisation(theirs)
    kept = normalisation(ours) if ours.mean is not None and ours.std is not None else taken
    if kept != taken:
        raise InputError(
            f"{source.name} normalises images by mean {list(taken.mean)} and std {list(taken.std)}, but this "
            f"recipe by {list(kept.mean)} and {list(kept.std)}: leave network.mean and network.std out to use the run's"
        )
    changes: dict[str, Any] = {"mean": taken.mean, "std": taken.std, "added": _groups(recipe, source)}
    made_for = theirs.made_for or source.recipe.data.window
    if ours.made_for is None and made_for != recipe.data.window and not {"fusion", "backbone"} & set(recipe.fresh):
        changes["made_for"] = made_for
    frozen = of_trunk(freeze_plan(ours.freeze))
    if frozen and not METHODS[ours.method].share:
        changes["share_frozen"] = source.shares_trunk
    return recipe.model_copy(
        update={"network": ours.model_copy(update=changes), "old_tasks": recipe.old_tasks or tuple(source.tasks)}
    )


def _groups(recipe: Recipe, source: Source) -> tuple[tuple[str, ...], ...] | None:
    """The groups of tasks that joined the others in the earlier run, if the method is the same."""
    network = recipe.network
    if network.added is not None or network.method != source.recipe.network.method:
        return network.added
    wanted: Collection[str] = recipe.tasks or source.tasks
    if SEVERAL in freeze_plan(network.freeze):  # all tasks of the run stay, even those that the recipe does not name
        wanted = (*source.tasks, *wanted)
    groups = added_groups(source.recipe, source.tasks)
    kept = tuple(tuple(task for task in group if task in wanted) for group in groups)
    present = [group for group in kept if group]
    joined = [task for group in groups for task in group]
    if all(task in joined for task in wanted):  # then the first task joins nobody
        present = present[1:]
    return tuple(present) or None


def _require_no_start(recipe: Recipe) -> None:
    if recipe.fresh:
        raise InputError(
            f"fresh is {', '.join(recipe.fresh)}, but no run is given to start from: give --start-from RUN"
        )
    if SEVERAL in freeze_plan(recipe.network.freeze):
        raise InputError("freeze is 'old', which means the tasks of the run to start from: give --start-from RUN")


def require_same_tasks(source: Source, tasks: Mapping[str, Description], fresh: Collection[str]) -> None:
    """Raise `InputError` for a task of another kind or number of classes under the same name, unless it is fresh."""
    for name, task in tasks.items():
        if name not in source.tasks or fresh_head(name, fresh):
            continue
        old = source.tasks[name]
        for what, then, now in (
            ("kind", old.meaning.get("kind"), task.meaning.get("kind")),
            ("output", old.output, task.output),
        ):
            if then is not None and then != now:
                raise InputError(
                    f"{source.name} has task '{name}' with {what} {then}, but here its {what} is {now}: rename "
                    f"the task, or start its head afresh with --fresh head.{name}"
                )


def other_names(source: Source, tasks: Mapping[str, Description], fresh: Collection[str]) -> list[str]:
    """A line for each task whose head continues though its classes or labels have other names or another order."""
    lines = []
    for name in [name for name in tasks if name in source.tasks and not fresh_head(name, fresh)]:
        for key in ("classes", "labels"):
            then, now = (described.meaning.get(key) for described in (source.tasks[name], tasks[name]))
            if then is not None and then != now:
                lines.append(
                    f"warning: the head of '{name}' learnt the {key} {shown(then, 120)} and begins here with "
                    f"{shown(now, 120)}: unless these mean the same, in this order, give --fresh head.{name}"
                )
    return lines


def fresh_parts(recipe: Recipe, source: Source) -> tuple[str, ...]:
    """What starts fresh: what the recipe names, and the layers of a decoder where the run has another method."""
    ours, theirs = recipe.network.method, source.recipe.network.method
    other = ours != theirs and any(METHODS[method].decoder for method in (ours, theirs))
    return (*recipe.fresh, "fusion") if other else recipe.fresh


def fresh_head(task: str, fresh: Collection[str]) -> bool:
    """Whether the head of a task starts afresh.

    >>> fresh_head("depth", ["head.depth"]), fresh_head("depth", ["heads"]), fresh_head("depth", ["fusion"])
    (True, True, False)
    """
    return bool({"heads", f"head.{task}", f"task:{task}"} & set(fresh))


def covers_backbones(source: Source, recipe: Recipe, tasks: Collection[str]) -> bool:
    """Whether every backbone of a network for these tasks starts from one of the run."""
    fresh = {part.rpartition(".")[2].rpartition(":")[2] for part in recipe.fresh if not part.startswith("head")}
    one = METHODS[recipe.network.method].share and not recipe.network.trunk
    return "backbone" not in fresh and (one or all(task in source.tasks and task not in fresh for task in tasks))


def require_fresh(fresh: Collection[str], tasks: Collection[str]) -> None:
    """Raise `InputError` for a name in `fresh` that is no part of the network."""
    known = ["backbone", "heads", "fusion"]
    known += [name for task in tasks for name in (f"head.{task}", f"backbone.{task}", f"task:{task}")]
    for name in fresh:
        if name not in known:
            raise unknown("part to start fresh", name, known)
