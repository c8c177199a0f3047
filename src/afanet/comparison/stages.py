"""A comparison in two stages: every run starts from the single-task networks of its seed, trained once for all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from afanet.comparison.groups import BASE
from afanet.comparison.plan import Planned, folder_of, on_fold
from afanet.comparison.resampling import Draw
from afanet.errors import InputError, shown
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.siblings import FIRST_STAGE

STARTS = ("two_stage", "warm_start", "start_from")  # keys that say what a run starts from
ALIKE = ("backbone", "in_chans", "mean", "std")  # keys of network that must be equal if one branch starts from another


def in_two_stages(planned: Sequence[Planned], recipe: Recipe, out: Path) -> list[Planned]:
    """The runs, each starting from the single-task networks of its seed and fold.

    These are trained by `recipe` in `OUT/first-stage-seedS`, or `OUT/first-stage-foldF-seedS`, as `afanet train` does
    with the method `single`, so that earlier training there is reused. Single task starts from them too, and continues
    by the same recipe: then all methods have had the steps of both stages.
    """
    alone = for_method(recipe, BASE)
    begun = []
    for run in planned:
        draw = Draw.of(run.recipe)
        first = on_fold(alone, draw.fold).model_copy(update={"seed": draw.seed})
        folder = folder_of(out, FIRST_STAGE, draw)
        second = run.recipe.model_copy(update={"warm_start": (folder.path.absolute(),)})
        begun.append(replace(run, recipe=second, first=Planned(first, folder)))
    return begun


def require_one_start(recipe: Recipe, variants: Mapping[str, Recipe]) -> None:
    """Raise `InputError` if the runs cannot all start from the same single-task networks.

    That is the case if the recipe or a variant names another start, if a variant normalises images differently, has
    another backbone or, unless it begins with new heads, another head, and if one has the name of the first stage.
    """
    named = {f"recipe {recipe.name}": recipe, **{f"variant '{name}'": each for name, each in variants.items()}}
    for name, each in named.items():
        for key in STARTS:
            if value := getattr(each, key):
                raise InputError(
                    f"{name} has {key} {shown(value)}, but with --two-stage every run starts from single-task networks "
                    "of its seed: leave one of them out"
                )
        for key in (*ALIKE, *(("head",) if each.warm_heads else ())):
            ours, theirs = getattr(each.network, key), getattr(recipe.network, key)
            if ours != theirs:
                raise InputError(
                    f"{name} has network.{key} {shown(ours)}, but the single-task networks that it would start from "
                    f"have {shown(theirs)}: leave the variant or --two-stage out"
                )
    if odd := next((name for name in variants if name.startswith(FIRST_STAGE)), None):
        raise InputError(f"variant '{odd}' has the name of the first stage's folders: give it another name")
