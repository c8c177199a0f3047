"""Finished runs, grouped by what they have in common but the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.outside import short_names
from afanet.recipe.code import identified, require_code
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import unused
from afanet.runs.folder import MAY_DIFFER, RunFolder, leaves
from afanet.runs.setup import open_tasks
from afanet.tasks import Description, Task, read_task

BASE = "single"  # the method that every other one is compared with
PROTOCOL = ("data.name", "data.size", "tasks", "select")  # and all of data.options
NOT_METHOD = (*MAY_DIFFER, "seed", "name", "data.root", "loggers", "devices")


@dataclass(frozen=True)
class Finished:
    """A run that was trained to its end."""

    folder: RunFolder
    recipe: Recipe
    results: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Finished:
        """The run in that folder; raises `InputError` where there is none, or it did not come to its end."""
        folder = RunFolder.existing(path)
        if not folder.metrics.is_file():
            raise InputError(f"{path} did not come to its end: go on with the command that began it and --resume")
        results = folder.read_results()
        if missing := [key for key in ("parameters", "flops") if key not in results]:
            raise InputError(
                f"{folder.metrics} is not what train wrote: '{missing[0]}' is missing; restore it, or remove it"
            )
        return cls(folder, folder.read_recipe(), results)

    @property
    def described(self) -> dict[str, Description]:
        """What the run keeps of its tasks, by name; empty for one of before runs kept anything."""
        return {name: Description.from_json(name, kept) for name, kept in self.results.get("described", {}).items()}

    def score(self, task: str, metric: str) -> float | None:
        """A score on the test split, None where it has none."""
        value = self.results["tasks"].get(task, {}).get(metric)
        return None if value is None else float(value)

    def tasks(self) -> dict[str, Task]:
        """Its tasks by name, as it keeps them; of a run of before it kept what they mean, those of its data.

        Raises `InputError` where these cannot be read.
        """
        require_code(self.recipe)
        kept = self.described
        if kept and all(one.meaning for one in kept.values()):
            return {name: read_task(one) for name, one in kept.items()}
        try:
            return open_tasks(self.recipe)[1]
        except InputError as error:
            raise InputError(
                f"{self.folder.path} is of before runs kept what their tasks mean, and its data cannot be read: {error}"
            ) from None


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, in the order of the seeds, and a title that says what sets them apart."""

    title: str
    runs: tuple[Finished, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first seed."""
        return self.runs[0].recipe

    @property
    def seeds(self) -> list[int]:
        """The seeds of its runs."""
        return [run.recipe.seed for run in self.runs]


def group_runs(runs: Sequence[Finished]) -> list[Group]:
    """The runs by method and whatever else differs, single task first, then in the order in which they are met.

    Raises `InputError` where two runs cannot stand side by side: another data set, split, resolution, selection, other
    tasks or other content of the files; and for a seed that comes twice.
    """
    for run in runs:
        require_code(run.recipe)
        require_comparable(runs[0], run)
    found: dict[tuple[tuple[str, str], ...], list[Finished]] = {}
    for run in runs:
        values = leaves(identified(run.recipe))
        key = tuple((name, repr(value)) for name, value in values.items() if name not in NOT_METHOD)
        found.setdefault(key, []).append(run)
    groups = []
    methods = [same[0].recipe.network.method for same in found.values()]
    for title, same in zip(_titles([dict(key) for key in found], methods), found.values(), strict=True):
        same.sort(key=lambda run: run.recipe.seed)
        for one, other in pairwise(same):
            if one.recipe.seed == other.recipe.seed:
                raise InputError(f"{one.folder.path} and {other.folder.path} are the same run: give one of them")
        groups.append(Group(title, tuple(same)))
    return sorted(groups, key=lambda group: group.title != BASE)


def siblings(run: Finished) -> list[Finished]:
    """The runs beside `run` that differ from it in their seed alone, in the order of the seeds, itself among them.

    Folders of anything else, of runs that did not come to their end, and those that may not be read are passed over.
    """

    def recipe_and_data(one: Finished) -> tuple[dict[str, Any], Any]:
        values = leaves(identified(one.recipe))
        return {key: value for key, value in values.items() if key not in NOT_METHOD}, one.results.get("fingerprint")

    found = {run.recipe.seed: run}
    for path in sorted(run.folder.path.absolute().parent.iterdir()):
        try:
            other = Finished.read(path)
        except (InputError, OSError):
            continue
        if recipe_and_data(other) == recipe_and_data(run):
            found.setdefault(other.recipe.seed, other)
    return [found[seed] for seed in sorted(found)]


def require_comparable(one: Finished, other: Finished) -> None:
    """Raise `InputError` where the figures of two runs are of different things."""
    a, b = (leaves(identified(run.recipe)) for run in (one, other))
    keys = [key for key in a | b if key in PROTOCOL or key.startswith("data.options.")]
    differ: list[tuple[str, Any, Any]] = [(key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
    contents = [run.results.get("fingerprint") for run in (one, other)]
    if not differ and contents[0] != contents[1]:
        differ = [("the content of the data", contents[0], contents[1])]
    for key, first, second in differ:
        raise InputError(
            f"{one.folder.path} and {other.folder.path} cannot stand side by side: {key} is {first} in one and "
            f"{second} in the other"
        )


def _titles(keys: Sequence[dict[str, str]], methods: Sequence[str]) -> list[str]:
    """The method of each, with every value that is not what most have: `afa, guard=2.0`.

    Where single task is there once, it is what the others are compared with, and what it has is usual.
    """
    names = list(dict.fromkeys(name for key in keys for name in key))
    usual = {name: Counter(key.get(name) for key in keys).most_common(1)[0][0] for name in names}
    short = short_names(methods)
    if methods.count(BASE) == 1:
        base = keys[methods.index(BASE)]
        usual |= {name: base.get(name) for name in names if not name.startswith(unused(BASE))}
    titles = []
    for method, key in zip(methods, keys, strict=True):
        apart = [
            f"{name.rpartition('.')[2]}={key.get(name, 'default')}"
            for name in names
            if name != "network.method" and key.get(name) != usual[name]
            if not name.startswith(unused(method))
        ]
        titles.append(", ".join([short[method], *apart]))
    return titles
