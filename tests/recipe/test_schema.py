"""What a recipe accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe, recipe_fields, recipe_keys


def test_every_key_is_explained() -> None:
    assert all(recipe_keys().values())


def test_keys_are_those_of_the_values() -> None:
    def leaves(values: dict[str, object], prefix: str = "") -> set[str]:
        keys = set()
        for key, value in values.items():
            inner = isinstance(value, dict) and key not in ("options", "weights", "losses", "code", "rates")
            keys |= leaves(value, f"{prefix}{key}.") if inner else {prefix + key}  # type: ignore[arg-type]
        return keys

    sections = {"network.lora.rank": 8, "select.by": "depth"}  # which may be null, or a word, are keys too
    assert leaves(load_recipe("rooms", sections).model_dump()) | {"network.lora", "select"} == set(recipe_keys())


def test_paths_become_absolute_and_words_for_weights_stay() -> None:
    recipe = load_recipe("nyuv2", {"data.root": "frames", "network.weights": "resnet.pth"})
    assert recipe.data.root == Path.cwd() / "frames"
    assert recipe.network.weights == str(Path.cwd() / "resnet.pth")
    for word in ("none", "pretrained"):
        assert load_recipe("nyuv2", {"network.weights": word}).network.weights == word


@pytest.mark.parametrize(
    ("key", "value"),
    [("epochs", 0), ("steps", 0), ("batch_size", -1), ("seed", -1), ("precision", "16"), ("tasks", [])],
)
def test_values_out_of_range_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(load_recipe("rooms").model_dump() | {key: value})


COUNTS = [key for key, field in recipe_fields().items() if "int" in str(field.annotation) and key != "seed"]


@pytest.mark.parametrize("key", COUNTS)
def test_no_number_is_without_a_bound(key: str) -> None:
    several = {
        "data.size": [10**30] * 2,
        "data.crop": [10**30] * 2,
        "network.multi_grid": [10**30],
        "network.taps": [10**30],
        "network.freeze": {"backbone": 10**30},
        "network.made_for": [10**30] * 2,
    }
    for value in (several.get(key, 10**30), "1" + "0" * 30 if key not in several else several[key]):
        with pytest.raises(InputError, match=rf"'{key}[.\w]*' is '?1000.*, which should be less than or equal to"):
            load_recipe("rooms", {key: value})
