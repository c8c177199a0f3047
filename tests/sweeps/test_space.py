"""What `--over` says, and how a mistake in it is answered."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.sweeps.space import own_values, read_space, spell, with_values

RECIPE = load_recipe("digits")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.lr=log:1e-5:1e-2", FloatDistribution(1e-5, 1e-2, log=True)),
        ("schedule.warmup=0:0.5", FloatDistribution(0, 0.5)),
        ("batch_size=log:8:64", IntDistribution(8, 64, log=True)),
        ("schedule.over=1:3", IntDistribution(1, 3)),  # whole numbers or null
        ("optimizer.clip=1:3", FloatDistribution(1, 3)),  # numbers or null
        ("balancing.options.temperature=1:3", IntDistribution(1, 3)),  # the schema leaves it open: as it is written
        ("balancing.options.temperature=1:3.0", FloatDistribution(1, 3)),
        ("optimizer.name=adamw,sgd", CategoricalDistribution(["adamw", "sgd"])),
        ("optimizer.fusion=null,1,100", CategoricalDistribution(["null", "1", "100"])),
    ],
)
def test_a_spec_is_a_range_or_choices(text: str, expected: object) -> None:
    [found] = read_space(RECIPE, [text]).values()
    assert found == expected
    key = text.partition("=")[0]
    assert read_space(RECIPE, [f"{key}={spell(found)}"]) == {key: found}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("optimizer.lr", "expected KEY=SPEC"),
        ("=1:2", "expected KEY=SPEC"),
        ("optimizer.learning_rate=log:1e-5:1e-2", r"unknown recipe key.*did you mean 'optimizer\.lr'"),
        ("optimizer.learning_rate=a", r"unknown recipe key.*did you mean 'optimizer\.lr'"),
        ("optimizer.lr=1e-2:1e-5", "the range goes from 0.01 to 1e-05, expected LOW below HIGH"),
        ("optimizer.lr=0.1:0.1", "expected LOW below HIGH"),
        ("optimizer.lr=0:1", r"'optimizer\.lr' is 0\.0, which should be greater than 0"),
        ("optimizer.weight_decay=log:0:1", "starts at 0, expected above 0"),
        ("optimizer.momentum=0.5:1.5", r"'optimizer\.momentum' is 1\.5, which should be less than 1"),
        ("optimizer.lr=low:high", "an end is 'low', expected a number"),
        ("optimizer.lr=0.1:inf", "an end is 'inf', expected a number"),
        ("optimizer.lr=0.1", "expected LOW:HIGH, log:LOW:HIGH or A,B,C"),
        ("optimizer.lr=1:2:3", r"'optimizer\.lr' is '1:2:3'|expected LOW:HIGH"),
        ("batch_size=1.5:8", "an end is '1.5', expected a whole number"),
        ("optimizer.name=0:1", r"'optimizer\.name' is '0:1', which should be 'adamw'"),
        ("network.partial=0:1", "'network.partial' is '0:1'|expected choices A,B,C"),
        ("optimizer.name=adamw,adamw", "expected different choices"),
        ("optimizer.name=adamw,", "expected different choices"),
        ("optimizer.name=adamw,lion", r"'optimizer\.name' is 'lion', which should be"),
        ("network.method=afa,hrad", "unknown method 'hrad', did you mean 'hard'"),
        ("seed=0:9", "all trials of a sweep share seed"),
        ("data.options.train_pairs=1:9", "all trials of a sweep share data.options.train_pairs"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_space(RECIPE, [text])


def test_a_key_is_given_once_and_there_is_one() -> None:
    with pytest.raises(InputError, match=r"names 'optimizer\.lr' twice"):
        read_space(RECIPE, ["optimizer.lr=0.1:1", "optimizer.lr=0.1:2"])
    with pytest.raises(InputError, match="a sweep needs --over"):
        read_space(RECIPE, [])


def test_values_make_a_recipe_without_what_its_method_does_not_use() -> None:
    balanced = load_recipe("digits", {"balancing.name": "cagrad"})
    values = {"network.method": "single", "optimizer.lr": 0.5, "optimizer.fusion": "null"}
    recipe = with_values(balanced, values, "here")
    assert (recipe.network.method, recipe.optimizer.lr, recipe.optimizer.fusion) == ("single", 0.5, None)
    assert recipe.balancing.name == "equal"


def test_the_recipes_own_values_are_found_only_inside_the_space() -> None:
    space = read_space(RECIPE, ["optimizer.lr=log:1e-5:1e-2", "optimizer.name=sgd,adamw", "batch_size=16:64"])
    assert own_values(RECIPE, space) == {"optimizer.lr": 0.001, "optimizer.name": "adamw", "batch_size": 32}
    assert own_values(load_recipe("digits", {"optimizer.lr": 1.0}), space) is None
    assert own_values(load_recipe("digits", {"optimizer.name": "adam"}), space) is None
    assert own_values(RECIPE, read_space(RECIPE, ["optimizer.clip=1:2"])) is None  # it is null
