"""A recipe in the folder of a run repeats the run, with some values changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from afanet.normalisation import IMAGENET
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.recipe.preprocessing import normalisation, with_normalisation_of_backbone
from afanet.runs.folder import RunFolder
from afanet.runs.repeat import recipe_to_train

NEW = ("scale", "taps", "mean", "std")  # keys that older versions did not have
HALF = (0.5, 0.5, 0.5)


def kept(path: Path, without: tuple[str, ...] = (), **network: Any) -> str:
    """The recipe of a run, without some keys, in its folder."""
    folder = RunFolder(path)
    recipe = load_recipe("rooms", {f"network.{key}": value for key, value in network.items()})
    lines = dump_recipe(with_normalisation_of_backbone(recipe)).splitlines(True)
    skipping, text = False, []
    for line in lines:  # the values of a list follow its key
        skipping = line.split(":")[0].strip() in without or (skipping and line.strip().startswith("- "))
        text += [] if skipping else [line]
    folder.recipe.write_text("".join(text))
    folder.mark.touch()
    return str(folder.recipe)


def test_another_backbone_has_its_own_normalisation(tmp_path: Path) -> None:
    file = kept(tmp_path, backbone="resnet18")
    assert normalisation(recipe_to_train(file, {}).network) == IMAGENET
    assert normalisation(recipe_to_train(file, {"optimizer.lr": 0.5}).network) == IMAGENET
    other = {"network.backbone": "tf_efficientnet_lite0"}
    assert normalisation(recipe_to_train(file, other).network).mean == HALF
    assert normalisation(recipe_to_train(file, other | {"network.mean": IMAGENET.mean}).network).mean == IMAGENET.mean
    assert normalisation(recipe_to_train(file, {"network.in_chans": 1}).network) == IMAGENET.of_grey()


def test_numbers_of_the_recipes_own_are_kept(tmp_path: Path) -> None:
    own = (0.1, 0.2, 0.3)
    changed = recipe_to_train(kept(tmp_path, mean=own), {"network.backbone": "tf_efficientnet_lite0"}).network
    assert (changed.mean, normalisation(changed).std) == (own, HALF)


def test_an_older_run_is_repeated_as_it_was(tmp_path: Path) -> None:
    file = kept(tmp_path, NEW, backbone="tf_efficientnet_lite0", head="linear")
    again = recipe_to_train(file, {})
    assert again == RunFolder(tmp_path).read_recipe()
    assert (normalisation(again.network), again.network.head, again.balancing.scale) == (IMAGENET, None, "paper")
    other = recipe_to_train(file, {"network.backbone": "vit_small_patch16_224.augreg_in1k"})
    assert normalisation(other.network).mean == HALF
    (tmp_path / "afanet-run.txt").unlink()
    assert normalisation(recipe_to_train(file, {}).network).mean == HALF  # a recipe that someone wrote


@pytest.mark.parametrize("source", ["rooms", "no.yaml"])
def test_other_recipes_are_read_as_ever(source: str, tmp_path: Path) -> None:
    file = tmp_path / source
    if source == "rooms":
        assert recipe_to_train(source, {"seed": 3}) == load_recipe(source, {"seed": 3})
    else:
        file.write_text(dump_recipe(load_recipe("rooms")))
        assert recipe_to_train(str(file), {}) == load_recipe("rooms")
