"""Every recipe that the package carries trains on the kind of data that it is for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from afanet.cli import main
from afanet.recipe.load import load_recipe, recipe_names

DATA = {  # here, and real ones
    "nyuv2": ("folders", "nyuv2_288x384"),
    "pascal": ("pascal", "PASCAL_MT"),
    "adience": ("adience", "faces_adience_layout"),
}
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
    out = tmp_path.with_name(f"{tmp_path.name}-run")  # beside the data
    results = train(name, root, out, *small)
    shutil.rmtree(out)
    assert results["steps"] == 2
    assert results["tasks"].keys() == set(recipe.tasks or results["tasks"])


def few_frames(real: Path, here: Path) -> Path:
    """Twelve real frames to train on and two to test on, of the official splits."""
    splits = {key: value[:count] for (key, count), value in _splits(real).items()}
    savemat(here / "splits.mat", splits)
    for folder, ending in (("rgb", "jpg"), ("label40", "png"), ("depth_mm", "png")):
        (here / folder).mkdir()
        for index in np.concatenate(list(splits.values())).ravel():
            (here / f"{folder}/{index:04d}.{ending}").symlink_to(real / f"{folder}/{index:04d}.{ending}")
    return here


def _splits(real: Path) -> dict[tuple[str, int], np.ndarray]:
    columns = loadmat(real / "splits.mat")
    return {(key, count): columns[key] for key, count in (("trainNdxs", 12), ("testNdxs", 2))}


def few_faces(real: Path, here: Path) -> Path:
    """Twenty real faces of each fold."""
    for file in real.glob("fold_*_data.txt"):
        (here / file.name).write_text("".join(file.read_text().splitlines(keepends=True)[:21]))
    (here / "aligned").symlink_to(real / "aligned")
    return here


def all_of_it(real: Path, here: Path) -> Path:
    """The data as they are."""
    return real


FEW = {"nyuv2": few_frames, "pascal": all_of_it, "adience": few_faces}
LARGE = ("nyud-4", "pascal-context-5")  # whose network has 300 million parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", recipe_names())
def test_two_steps_as_it_stands(name: str, shared: Callable[[str], Path], tmp_path: Path) -> None:
    """With the recipe's own network unless it is large, size and batch, on some of the real data where they lie."""
    data = load_recipe(name).data.name
    (tmp_path / "data").mkdir()
    root = FEW[data](shared(DATA[data][1]), tmp_path / "data") if data in DATA else None
    results = train(name, root, tmp_path / "run", *(["--backbone", "vit_tiny_patch16_384"] if name in LARGE else []))
    assert results["steps"] == 2
