"""What varies between the repeated runs of a method: the seed, the fold of the data, or both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from afanet.recipe.schema import Recipe
from afanet.runs.run import Run

FOLD = "data.options.fold"


class Draw(NamedTuple):
    """One repetition: the fold of the data that is tested on, None for data without folds, and the seed."""

    fold: int | None
    seed: int

    @classmethod
    def of(cls, recipe: Recipe) -> Draw:
        """The fold and the seed of a recipe."""
        return cls(recipe.data.options.get("fold"), recipe.seed)


def several_folds(draws: Sequence[Draw]) -> bool:
    """Whether the draws have more than one fold."""
    return len({draw.fold for draw in draws}) > 1


def repeated_over(draws: Sequence[Draw]) -> str:
    """What the draws vary: `seeds`, `folds`, or `folds and seeds`.

    >>> repeated_over([Draw(0, 5), Draw(1, 5)]), repeated_over([Draw(None, 0), Draw(None, 1)])
    ('folds', 'seeds')
    """
    if not several_folds(draws):
        return "seeds"
    return "folds" if len({draw.seed for draw in draws}) == 1 else "folds and seeds"


def by_fold(draws: Sequence[Draw], values: Sequence[float]) -> list[float]:
    """Independent values of draws: with several folds, the mean over the seeds of each fold, else the values.

    The runs of one fold share their test images, so they are not separate evidence. A value that is not a number is
    left out of its fold's mean.

    >>> by_fold([Draw(0, 0), Draw(0, 1), Draw(1, 0)], [1.0, 3.0, 5.0]), by_fold([Draw(0, 0), Draw(0, 1)], [1.0, 3.0])
    ([2.0, 5.0], [1.0, 3.0])
    """
    if not several_folds(draws):
        return list(values)
    known: dict[int | None, list[float]] = {draw.fold: [] for draw in draws}
    for draw, value in zip(draws, values, strict=True):
        if not math.isnan(value):
            known[draw.fold].append(value)
    return [sum(of_fold) / len(of_fold) if of_fold else math.nan for of_fold in known.values()]


def name_draws(draws: Sequence[Draw]) -> str:
    """Draws in a sentence.

    >>> name_draws([Draw(None, 0), Draw(None, 2)]), name_draws([Draw(0, 7), Draw(3, 7)]), name_draws([Draw(3, 7)])
    ('seeds 0, 2', 'folds 0, 3 with seed 7', 'fold 3 with seed 7')
    >>> name_draws([Draw(0, 0), Draw(0, 1), Draw(1, 0)])
    'fold 0 with seeds 0, 1, fold 1 with seed 0'
    """
    seeds: dict[int | None, list[int]] = {}
    for draw in draws:
        seeds.setdefault(draw.fold, []).append(draw.seed)
    folds: dict[tuple[int, ...], list[int | None]] = {}
    for fold, of_fold in seeds.items():
        folds.setdefault(tuple(of_fold), []).append(fold)
    named = []
    for of_folds, alike in folds.items():
        with_seeds = _plural("seed", of_folds)
        named.append(with_seeds if alike == [None] else f"{_plural('fold', alike)} with {with_seeds}")
    return ", ".join(named)


def _plural(word: str, numbers: Sequence[int | None]) -> str:
    listed = ", ".join("default" if number is None else str(number) for number in numbers)
    return f"{word}{'s'[: len(numbers) > 1]} {listed}"


def in_order(runs: Sequence[Run], first: set[int | None]) -> list[Run]:
    """Runs sorted by fold and seed, those with folds in `first` before the others."""

    def key(run: Run) -> tuple[bool, int, int]:
        fold, seed = Draw.of(run.recipe)
        return fold not in first, -1 if fold is None else fold, seed

    return sorted(runs, key=key)
