"""The name that is suggested is the one that somebody meant."""

from __future__ import annotations

import pytest
import timm

from afanet.errors import unknown
from afanet.networks.backbones import WELL_KNOWN
from afanet.recipe.schema import recipe_keys
from afanet.suggest import SYNONYMS, nearest

KEYS = list(recipe_keys())


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_meant_by_its_name_in_any_spelling(key: str) -> None:
    upper, hyphens = key.upper(), key.replace("_", "-")
    assert nearest(upper, KEYS) == nearest(hyphens, KEYS) == nearest(f"--{key}", KEYS) == key
    alone = key.rpartition(".")[2]
    if [other.rpartition(".")[2] for other in KEYS].count(alone) == 1:
        assert nearest(alone, KEYS) == nearest(f"sgd.{alone}", KEYS) == key


def test_a_synonym_is_the_last_part_of_a_key_or_a_flag_or_a_section() -> None:
    parts = {part for key in KEYS for part in key.split(".")} | {"out", "data"}
    assert set(SYNONYMS.values()) <= parts
    assert not parts & set(SYNONYMS), "a key of ours must mean itself"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("max_epochs", "epochs"), ("data.batch", "batch_size"), ("amp", "precision"), ("lr_scheduler", "schedule.name")],
)
def test_what_others_call_a_key_means_ours(name: str, meant: str) -> None:
    assert nearest(name, KEYS) == meant


def test_nothing_is_suggested_for_what_resembles_nothing() -> None:
    assert nearest("zzz", ["afa", "hard"]) is None
    assert str(unknown("method", "zzz", ["afa", "hard"])) == "unknown method 'zzz'. (known: afa, hard)"


def test_of_many_names_the_nearest_or_well_known_ones_are_listed() -> None:
    names = [f"aimv2_{number}" for number in range(30)] + ["layer4.conv1", "layer4.conv2"]
    assert "(known: layer4.conv1, layer4.conv2, " in str(unknown("layer", "layer4.cnv", names))
    assert str(unknown("backbone", "qqq", names, ["resnet18"])).endswith("(known: resnet18, ...)")
    assert set(WELL_KNOWN) <= set(timm.list_models())
    assert len({name[:5] for name in WELL_KNOWN}) > 5  # families
