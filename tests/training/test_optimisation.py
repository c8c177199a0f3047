"""Parameter groups and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from afanet.networks.outputs import Dense, Pooled
from afanet.training.optimisation import create_optimizer, create_schedule, factor, parameter_groups
from afanet.training.recipe import OptimizerRecipe, ScheduleRecipe

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


@pytest.mark.parametrize("name", ["adamw", "sgd"])
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
    factors = [factor(recipe, step, steps) for step in range(steps)]
    peak = round(warmup * steps)
    assert all(0 < value <= 1 for value in factors)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    if peak < steps:
        assert factors[peak] == 1
        assert factor(recipe, steps, steps) == pytest.approx(1 if name == "constant" else 0)


def test_poly_is_its_formula() -> None:
    recipe = ScheduleRecipe(name="poly", power=0.9)
    assert factor(recipe, 3, 10) == pytest.approx(math.pow(0.7, 0.9))


def test_the_schedule_multiplies_every_groups_own_rate(model: nn.Module) -> None:
    optimizer = create_optimizer(model, RECIPE)
    schedule = create_schedule(optimizer, ScheduleRecipe(name="cosine"), steps=2)
    start = [group["initial_lr"] for group in optimizer.param_groups]
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([rate / 2 for rate in start])
