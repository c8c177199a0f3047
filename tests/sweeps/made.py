"""A training that takes no time, with scores that a formula gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.finite import DivergedError

At = Callable[[str, int], None]
Score = Callable[[Recipe, int], dict[str, dict[str, Any]]]
PEAK, DIVERGES = 0.01, 0.3  # learning rates


def digits(**overrides: Any) -> Recipe:
    """The recipe `digits` with few pairs, some of them for validation."""
    few = {f"data.options.{split}_pairs": 8 for split in ("train", "validation", "test")}
    small = {"workers": 0, "device": "cpu", "precision": "float32", "epochs": 4, "batch_size": 4}
    return load_recipe("digits", few | small | overrides)


def scores(recipe: Recipe, epoch: int) -> dict[str, dict[str, float]]:
    """Better near the peak, with every epoch, and a little with every seed."""
    off = abs(math.log10(recipe.optimizer.lr / PEAK))
    accuracy = 0.9 * (1 - 0.1 * off) * epoch / recipe.epochs + 0.001 * recipe.seed
    return {side: {"accuracy": accuracy} for side in ("left", "right")}


class Trainer:
    """Stands in for `train`: `at` is called with each folder and epoch, and may raise."""

    def __init__(self, at: At = lambda folder, epoch: None, scores: Score = scores) -> None:
        self.at, self.scores = at, scores
        self.trained: list[tuple[str, Recipe]] = []

    def __call__(self, recipe: Recipe, out: Path, *, resume: bool, watch: Callable[..., None]) -> SimpleNamespace:
        assert resume
        self.trained.append((out.name, recipe))
        for epoch in range(1, recipe.epochs + 1):
            self.at(out.name, epoch)
            if recipe.optimizer.lr > DIVERGES:
                raise DivergedError("the loss of task 'left' is nan at step 3")
            watch(epoch, self.scores(recipe, epoch))
        return SimpleNamespace(results={"validation": self.scores(recipe, recipe.epochs), "tasks": "not looked at"})
