"""The runs that a comparison needs, and the training of those that are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from afanet.comparison.groups import require_same_augmentation
from afanet.data.cache import fingerprint
from afanet.errors import InputError, shown
from afanet.files import path_in
from afanet.limits import MOST_SEEDS
from afanet.outside import anchored, is_reference, short_names
from afanet.progress import say
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.folder import RunFolder
from afanet.runs.setup import data_cache, open_whole
from afanet.training.balancing.methods import find_balancing
from afanet.training.run import train


@dataclass(frozen=True)
class Planned:
    """One run of a comparison: its resolved recipe and its folder, `OUT/NAME-seedSEED`."""

    recipe: Recipe
    folder: RunFolder

    @property
    def finished(self) -> bool:
        """Whether it was trained to its end."""
        return self.folder.finished


def by_methods(recipe: Recipe, methods: Sequence[str]) -> dict[str, Recipe]:
    """The recipe with each method, by the method's name or, for one in a file, that of its class.

    Raises `InputError` for an unknown method, and for one that is named twice.
    """
    if len(set(methods)) < len(methods) or not methods:
        raise InputError(
            f"--methods is {shown(','.join(methods))}, expected different methods with commas between them"
        )
    names = short_names([anchored(method, Path.cwd()) if is_reference(method) else method for method in methods])
    return {short: for_method(recipe, method) for method, short in names.items()}


def plan(variants: Mapping[str, Recipe], seeds: int, out: Path) -> list[Planned]:
    """Every variant with `seeds` seeds, beginning with its own: all variants of one seed, then of the next.

    Raises `InputError` for fewer than one seed or more than `MOST_SEEDS`, and for a seed beyond the largest.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds is {shown(seeds)}, expected 1 to {MOST_SEEDS}")
    if (least := max((recipe.seed for recipe in variants.values()), default=0)) + seeds > 2**32:
        raise InputError(f"there are no {seeds} seeds from {least} on, since the largest is {2**32 - 1}: lower --seed")
    return [
        Planned(seeded, RunFolder(path_in(out, f"{name}-seed{seeded.seed}")))
        for number in range(seeds)
        for name, recipe in variants.items()
        for seeded in [recipe.model_copy(update={"seed": recipe.seed + number})]
    ]


def part(planned: Sequence[Planned], which: str) -> list[Planned]:
    """The i-th of n shares of the runs, from `i/n`: every n-th of them.

    >>> part("abcde", "2/3")
    ['b', 'e']
    """
    index, slash, total = which.partition("/")
    if not (slash and _is_count(index) and _is_count(total) and 1 <= int(index) <= int(total)):
        raise InputError(f"--only is {shown(which)}, expected i/n with i from 1 to n, such as 1/4")
    return list(planned[int(index) - 1 :: int(total)])


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10


def _require_scale(run: Planned) -> None:
    """Raise `InputError` where a run of an older version, without `balancing.scale`, trains by another than planned."""
    continued, row = run.folder.continued(run.recipe).balancing, find_balancing(run.recipe.balancing.name)
    if continued.scale != run.recipe.balancing.scale and row.kind == "gradient":
        raise InputError(
            f"{run.folder.path} is of a version without balancing.scale, which trained by '{continued.scale}', and "
            f"this comparison has '{run.recipe.balancing.scale}': give --balancing.scale {continued.scale}, or compare "
            "in another folder with --out"
        )


def _require_normalisation(run: Planned) -> None:
    """Raise `InputError` where a run takes images otherwise than a new one of this comparison would."""
    then, now = (normalisation(r.network) for r in (run.folder.continued(run.recipe), run.recipe))
    if then != now:
        raise InputError(
            f"{run.folder.path} takes images less {list(then.mean)} and divided by {list(then.std)}, and a new run of "
            f"this comparison {list(now.mean)} and {list(now.std)}: give --network.mean {_flag(then.mean)} "
            f"--network.std {_flag(then.std)}, or compare in another folder with --out"
        )


def _flag(values: Sequence[float]) -> str:
    return " ".join(map(str, values))


def complete(planned: Sequence[Planned]) -> None:
    """Train every run that is not finished, from its last checkpoint if it has one.

    Raises `InputError` before any training for a folder that holds a run of another recipe or on other data, and as
    soon as one run read features kept without augmentation and another saw augmented images.
    """
    content: str | None = None
    finished: dict[str, dict[str, Any]] = {}
    for run in planned:
        RunFolder.usable(run.folder.path, run.recipe, resume=True)
        _require_scale(run)
        _require_normalisation(run)
        if not run.finished:
            continue
        results = finished[str(run.folder.path)] = run.folder.read_results()
        then = run.folder.read_recipe()
        if then.precision != run.recipe.precision:
            raise InputError(
                f"{run.folder.recipe} has precision {then.precision}, and this comparison has {run.recipe.precision}: "
                f"give --precision {then.precision}, or compare in another folder with --out"
            )
        content = content or fingerprint(open_whole(run.recipe), data_cache(run.recipe))
        if results.get("fingerprint") != content:
            raise InputError(
                f"{run.folder.path} was trained on other data than {run.recipe.data.root or run.recipe.data.name}: "
                "compare in another folder with --out, or remove that one"
            )
    require_same_augmentation(finished)
    for number, run in enumerate(planned, start=1):
        name = f"{run.folder.path.name} ({number} of {len(planned)})"
        say(f"{name}: there already" if run.finished else f"\n{name}")
        if not run.finished:
            finished[str(run.folder.path)] = train(run.recipe, run.folder.path, resume=True).results
            require_same_augmentation(finished)
