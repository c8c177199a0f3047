"""The runs beside a run that repeat it with other seeds."""

from __future__ import annotations

import re
from typing import Any

from afanet.errors import InputError
from afanet.recipe.code import identified
from afanet.recipe.schema import Recipe
from afanet.runs.folder import MAY_DIFFER, leaves
from afanet.runs.run import Run, lacks_augmentation, load_run

NOT_METHOD = (
    *MAY_DIFFER,
    "seed",
    "name",
    "data.root",
    "data.stream",
    "loggers",
    "devices",
)  # keys that do not distinguish methods
FIRST_STAGE = "first-stage"  # begins the names of folders of single-task networks, the first stage of a comparison


def siblings(run: Run) -> list[Run]:
    """The runs beside `run` that differ from it only in their seed, ordered by seed, including `run` itself.

    Other folders, unfinished runs and unreadable folders are ignored.
    """
    by_seed = {run.recipe.seed: run}
    if not run.path.is_dir():  # it is on the hub
        return [run]
    for path in sorted(run.path.absolute().parent.iterdir()):
        try:
            candidate = load_run(path)
        except (InputError, OSError):
            continue
        if _recipe_and_data(candidate) == _recipe_and_data(run):
            by_seed.setdefault(candidate.recipe.seed, candidate)
    return [by_seed[seed] for seed in sorted(by_seed)]


def method_of(recipe: Recipe) -> dict[str, Any]:
    """The values of a recipe that define its method, by dotted key: all except those in `NOT_METHOD`.

    In a comparison in two stages, each run begins with the single-task networks of its own seed and fold. This does not
    make it another method, so the folder of such a first stage is given without seed and fold.

    >>> from afanet.recipe.load import load_recipe
    >>> method_of(load_recipe("rooms", {"seed": 2, "warm_start": ["/runs/first-stage-seed2"]}))["warm_start"]
    ['/runs/first-stage-seed*']
    """
    values = {key: value for key, value in leaves(identified(recipe)).items() if key not in NOT_METHOD}
    fold = re.escape(f"-fold{recipe.data.options.get('fold')}")
    own = re.compile(rf"(?<=[/\\]{FIRST_STAGE})({fold})?-seed{recipe.seed}$")
    begun = values["warm_start"]
    return values | {"warm_start": begun and [own.sub("-seed*", folder) for folder in begun]}


def _recipe_and_data(run: Run) -> tuple[dict[str, Any], Any, bool]:
    return method_of(run.recipe), run.results.get("fingerprint"), lacks_augmentation(run.results)
