"""The runs next to a run that repeat it with other seeds."""

from __future__ import annotations

from typing import Any

from afanet.errors import InputError
from afanet.recipe.code import identified
from afanet.runs.folder import MAY_DIFFER, leaves
from afanet.runs.run import Run, lacks_augmentation, load_run

NOT_METHOD = (*MAY_DIFFER, "seed", "name", "data.root", "loggers", "devices")  # keys that do not make another method


def siblings(run: Run) -> list[Run]:
    """The runs beside `run` that differ from it in their seed alone, in the order of the seeds, itself among them.

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


def _recipe_and_data(run: Run) -> tuple[dict[str, Any], Any, bool]:
    values = leaves(identified(run.recipe))
    kept = {key: value for key, value in values.items() if key not in NOT_METHOD}
    return kept, run.results.get("fingerprint"), lacks_augmentation(run.results)
