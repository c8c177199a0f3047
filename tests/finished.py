"""Finished runs that nobody trained: folders with recipes and scores that a test makes up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from afanet.runs.run import Run

Make = Callable[..., "Run"]


@pytest.fixture
def finished(tmp_path: Path) -> Make:
    """Makes a run by method and seed, with scores of the tasks of `digits` and overrides of the recipe."""
    from afanet.recipe.load import dump_recipe, load_recipe
    from afanet.recipe.variants import for_method
    from afanet.runs.run import load_run

    def make(
        method: str,
        seed: int,
        tasks: dict[str, dict[str, Any]],
        content: str = "x",
        keys: Mapping[str, Any] | None = None,
    ) -> Run:
        recipe = for_method(load_recipe("digits", {"seed": seed, "device": "cpu", **(keys or {})}), method)
        folder = tmp_path / f"{method}-{seed}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "recipe.yaml").write_text(dump_recipe(recipe))
        (folder / "last.ckpt").touch()
        results = {"tasks": tasks, "fingerprint": content, "threads": 1, "parameters": 10**6, "flops": 10**9}
        (folder / "metrics.json").write_text(json.dumps(results))
        return load_run(folder)

    return make
