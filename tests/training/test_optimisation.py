"""Parameter groups and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from afanet.errors import InputError
from afanet.networks import create_network
from afanet.networks.outputs import Dense, Pooled
from afanet.recipe.schema import OptimizerRecipe, ScheduleRecipe
from afanet.training.optimisation import create_optimizer, factor, parameter_groups, set_rates

RECIPE = OptimizerRecipe(name="adamw", lr=0.1, weight_decay=0.5, backbone=1, head=10, fusion=1000)


@pytest.fixture
def model(tiny_network: Callable[..., nn.Module]) -> nn.Module:
    return tiny_network({"depth": Dense(1), "age": Pooled(3)})


def test_every_trainable_parameter_is_in_one_group_at_the_rate_of_its_part(model: nn.Module) -> None:
    frozen = model.branches["age"].backbone[0].weight
    frozen.requires_grad_(False)
    rates = {id(p): group["lr"] for group in parameter_groups(model, RECIPE) for p in group["params"]}
    expected = {
        id(p): 0.1 * (10 if ".head." in name else 1000 if name.startswith("fusion.") else 1)
        for name, p in model.named_parameters()
        if p is not frozen
    }
    assert rates == expected
    assert set(rates.values()) == {0.1, 1.0, 100.0}


@pytest.mark.parametrize(
    ("recipe", "own", "factor"), [(None, 100, 100), (None, None, 10), (3, 100, 3), (1, 100, 1), (3, None, 3)]
)
def test_fusion_layers_learn_at_the_factor_of_the_recipe_the_method_or_the_heads(
    recipe: float | None, own: float | None, factor: float, model: nn.Module
) -> None:
    groups = parameter_groups(model, RECIPE.model_copy(update={"fusion": recipe}), own)
    assert {group["lr"] for group in groups if group["name"] == "fusion"} == {0.1 * factor}
    assert {group["lr"] for group in groups if group["name"] != "fusion"} == {0.1, 1.0}


def test_norms_and_biases_do_not_decay(model: nn.Module) -> None:
    decays = {id(p): group["weight_decay"] for group in parameter_groups(model, RECIPE) for p in group["params"]}
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim > 1
        assert matrix or name.endswith(("bias", "backbone.1.weight"))
        assert decays[id(parameter)] == (0.5 if matrix else 0)


def test_a_parameter_of_no_part_is_an_error(model: nn.Module) -> None:
    model.register_parameter("forgotten", nn.Parameter(torch.zeros(1)))
    with pytest.raises(ValueError, match="'forgotten' belongs to no part"):
        parameter_groups(model, RECIPE)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_a_step_moves_every_part(name: str, model: nn.Module) -> None:
    optimizer = create_optimizer(model, RECIPE.model_copy(update={"name": name, "weight_decay": 0.0}))
    before = {key: value.clone() for key, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert all(not torch.equal(value, before[key]) for key, value in model.named_parameters())


@given(name=st.sampled_from(["poly", "cosine", "constant"]), warmup=st.floats(0, 0.99), steps=st.integers(1, 300))
def test_rates_rise_over_the_warmup_then_never_rise(name: str, warmup: float, steps: int) -> None:
    recipe = ScheduleRecipe.model_validate({"name": name, "warmup": warmup})
    factors = [factor(recipe, step, steps, epochs=1) for step in range(steps)]
    peak = round(warmup * steps)
    assert all(0 < value <= 1 for value in factors)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    if peak < steps:
        assert factors[peak] == 1
        assert factor(recipe, steps, steps, epochs=1) == pytest.approx(1 if name == "constant" else 0)


def test_poly_is_its_formula() -> None:
    recipe = ScheduleRecipe(name="poly", power=0.9)
    assert factor(recipe, 3, 10, epochs=1) == pytest.approx(math.pow(0.7, 0.9))


def test_a_scale_multiplies_every_groups_own_rate(model: nn.Module) -> None:
    optimizer = create_optimizer(model, RECIPE)
    start = [group["lr"] for group in optimizer.param_groups]
    for scale in (0.5, 0.25):
        set_rates(optimizer, scale)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate * scale for rate in start])


def test_what_the_balancing_learns_is_in_a_group_of_its_own(model: nn.Module) -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = create_optimizer(model, RECIPE, [weight])
    assert [group["name"] for group in optimizer.param_groups if weight in set(group["params"])] == ["balancing"]
    held = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held}) == len(list(model.parameters())) + 1


def test_everything_decays_where_the_recipe_says_so(model: nn.Module) -> None:
    groups = parameter_groups(model, RECIPE.model_copy(update={"decay_all": True}))
    assert {group["weight_decay"] for group in groups} == {0.5}


def test_steps_fall_by_gamma_every_so_many_epochs() -> None:
    recipe = ScheduleRecipe(name="step", every=2, gamma=0.1)
    assert [factor(recipe, step, 10, epochs=5) for step in range(10)] == pytest.approx([1] * 4 + [0.1] * 4 + [0.01] * 2)


def test_a_fall_over_some_epochs_then_stays_at_the_floor() -> None:
    recipe = ScheduleRecipe(name="poly", power=1, over=2, floor=0.25)
    assert [factor(recipe, step, 8, epochs=4) for step in range(8)] == [1, 0.75, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25]


def test_the_rate_of_a_task_that_is_not_there_is_refused() -> None:
    network = create_network("hard", {"age": Pooled(2), "room": Pooled(3)}, "test_resnet", size=(32, 48))
    recipe = OptimizerRecipe(name="sgd", lr=1, weight_decay=0, rates={"task:aeg": 2})
    with pytest.raises(InputError, match=r"unknown task of optimizer\.rates 'aeg', did you mean 'age'"):
        parameter_groups(network, recipe)
