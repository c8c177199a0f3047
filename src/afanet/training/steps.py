"""How many steps of the optimiser an epoch and a run have."""

from __future__ import annotations

from afanet.recipe.schema import Recipe


def steps_per_epoch(batches: int, recipe: Recipe) -> int:
    """The optimiser's steps in an epoch of that many batches; batches beyond the last whole step are left out."""
    return max(1, batches // recipe.optimizer.accumulate)


def total_steps(batches: int, recipe: Recipe) -> int:
    """The optimiser's steps in the whole run."""
    steps = steps_per_epoch(batches, recipe) * recipe.epochs
    return min(steps, recipe.steps) if recipe.steps else steps
