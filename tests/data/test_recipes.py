"""Every recipe that the package carries trains on the kind of data that it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.cli import main
from afanet.training.load import load_recipe, recipe_names

DATA = {"nyuv2": ("folders", "nyuv2_288x384"), "adience": ("adience", "faces_adience_layout")}  # here, and real ones
FEWER = {"rooms": ["train_scenes", "8", "test_scenes", "2"], "digits": ["train_pairs", "8", "test_pairs", "2"]}
EASIER = {"crop": ["32", "48"], "size": ["48", "64"]}


def train(name: str, root: Path | None, out: Path, *more: str) -> dict[str, object]:
    words = ["train", name, "--steps", "2", "--workers", "0", "--device", "cpu", "--out", str(out), *more]
    data = load_recipe(name).data
    few = FEWER.get(data.name, [])
    for key, value in zip(few[::2], few[1::2], strict=True):
        words += [f"--data.options.{key}", value]
    assert main([*words, *(["--data", str(root)] if root else [])]) == 0
    results: dict[str, object] = json.loads((out / "metrics.json").read_text())
    return results


@pytest.mark.parametrize("name", recipe_names())
def test_two_steps_in_small(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All that the recipe says, but for the backbone, the sizes and the batch."""
    recipe = load_recipe(name)
    tree = DATA.get(recipe.data.name)
    root = request.getfixturevalue(tree[0]) if tree else None
    small = ["--backbone", "test_resnet", "--batch-size", "2", "--size", *EASIER["size"]]
    small += ["--data.crop", *EASIER["crop"]] if recipe.data.crop else []
    small += ["--network.output_stride", "16", "--network.multi_grid", "null"]
    results = train(name, root, tmp_path / "run", *small)
    assert results["steps"] == 2
    assert results["tasks"].keys() == set(recipe.tasks or results["tasks"])


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_two_steps_as_it_stands(name: str, shared: Callable[[str], Path], tmp_path: Path) -> None:
    """On the real data where they lie, with the recipe's own network, size and batch."""
    tree = DATA.get(load_recipe(name).data.name)
    results = train(name, shared(tree[1]) if tree else None, tmp_path / "run")
    assert results["steps"] == 2
