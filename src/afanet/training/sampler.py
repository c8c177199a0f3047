"""How often each training sample is drawn, if a recipe favours rare classes and tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from afanet.data import Data
from afanet.data.census import Census
from afanet.errors import InputError, unknown
from afanet.recipe.schema import Recipe


def require_sampler(recipe: Recipe, data: Data, tasks: Collection[str]) -> None:
    """Raise `InputError` for a sampler that is not possible.

    It may not name a task that is not trained, or one task twice; it may not draw by classes without tasks, and not
    from data whose parts have unequal shares, or from streamed data.
    """
    chosen = recipe.sampler.tasks
    for name in chosen:
        if name not in tasks:
            raise unknown("task under sampler.tasks", name, tasks)
        if chosen.count(name) > 1:
            raise InputError(f"sampler.tasks has '{name}' {chosen.count(name)} times: keep one")
    if not chosen and not recipe.sampler.classes:
        raise InputError("sampler.classes is about the labels of sampler.tasks, which is empty: name tasks too")
    if chosen and data.streamed:
        raise InputError(
            "sampler.tasks draws samples from anywhere in the data, but a stream is read shard by shard: leave "
            "sampler.tasks or data.stream out"
        )
    shares = [share for _, share in data.shares or ()]
    if chosen and len(set(shares)) > 1:
        raise InputError(
            f"sampler.tasks decides how often samples are drawn, and so do the shares of the parts of the data "
            f"({', '.join(f'{share:g}' for share in shares)}): leave one of the two out"
        )


def sample_chances(census: Mapping[str, Census], length: int, by_class: bool) -> NDArray[np.float64]:
    """The probability of drawing each of `length` samples, (length,).

    A draw takes a task, each with the same probability; with `by_class`, then one of the task's names that occur, again
    with the same probability; then a sample with a label of it. Labelled samples without any of the names count as one
    more name. Raises `InputError` for a task without a label.

    >>> age = Census(np.array([3, 1]), np.arange(4), np.array([[0, 0], [1, 0], [2, 0], [3, 1]]))
    >>> sample_chances({"age": age}, 5, by_class=True).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5, 0.0]
    """
    chances = np.zeros(length)
    for name, of_task in census.items():
        if not len(of_task.samples):
            raise InputError(f"sampler.tasks has '{name}', and no training sample has a label of it: take it out")
        groups = [of_task.samples]
        if by_class and len(of_task.pairs):
            order = np.argsort(of_task.pairs[:, 1], kind="stable")
            _, starts = np.unique(of_task.pairs[order, 1], return_index=True)
            without = np.setdiff1d(of_task.samples, of_task.pairs[:, 0])
            groups = [*np.split(of_task.pairs[order, 0], starts[1:]), *([without] if len(without) else [])]
        for group in groups:
            chances[group] += 1 / (len(census) * len(groups) * len(group))
    return chances
