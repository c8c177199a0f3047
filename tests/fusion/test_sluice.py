"""Sluice units against their formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from afanet import InputError, Pooled, create_network
from afanet.fusion import CrossStitch, Sluice

Features = Callable[..., list[Tensor]]


def sluice_of(tasks: int) -> Sluice:
    layer = Sluice(4, tasks).double()
    torch.nn.init.normal_(layer.alpha)
    return layer


@pytest.mark.parametrize("tasks", [2, 5])
def test_it_is_its_formula_in_value_and_gradient(
    tasks: int, features: Features, gradients: Callable[..., list[Tensor]]
) -> None:
    layer, xs = sluice_of(tasks), features(tasks)

    def formula(xs: list[Tensor]) -> list[Tensor]:
        halves = torch.stack(list(xs)).unflatten(2, (2, 2))
        return list(torch.einsum("isjt,jbtchw->ibschw", layer.alpha, halves).flatten(2, 3))

    assert_close(layer(xs), formula(xs))
    assert_close(gradients(layer, layer, xs), gradients(formula, layer, xs))


def test_with_weights_that_are_the_same_in_both_halves_and_none_between_them_it_is_cross_stitch(
    features: Features,
) -> None:
    layer, stitch, xs = sluice_of(3), CrossStitch(4, 3).double(), features(3)
    with torch.no_grad():
        weights = torch.randn(3, 3).double()
        layer.alpha.copy_(torch.einsum("ij,st->isjt", weights, torch.eye(2)))
        stitch.alpha.copy_(weights[..., None, None, None].expand_as(stitch.alpha))
    assert_close(layer(xs), stitch(xs))
    assert_close(layer.carried(xs), stitch.carried(xs))
    assert_close(layer.gates(xs)["channel"], stitch.gates(xs)["channel"])


@settings(max_examples=15, deadline=None)
@given(order=st.integers(2, 5).flatmap(lambda n: st.permutations(range(n))))
def test_permuting_tasks_and_weights_permutes_the_outputs(order: list[int], features: Features) -> None:
    layer, xs = sluice_of(len(order)), features(len(order))
    ys = layer(xs)
    with torch.no_grad():
        layer.alpha.copy_(layer.alpha[order][:, :, order].clone())
    assert_close(layer([xs[i] for i in order]), [ys[i] for i in order])


def test_every_half_starts_as_mostly_itself(features: Features) -> None:
    alpha = Sluice(4, 3).alpha.reshape(6, 6)
    assert_close(alpha.diagonal(), torch.full((6,), 0.9))
    assert_close(alpha.sum(1), torch.ones(6))


def test_an_odd_number_of_channels_is_refused() -> None:
    with pytest.raises(InputError, match="channels=5, which cannot be halved"):
        Sluice(5)


def test_its_branches_meet_after_every_stage() -> None:
    network = create_network("sluice", {"age": Pooled(8), "mood": Pooled(2)}, "test_resnet", size=(32, 32))
    assert sorted(network.members) == sorted(f"backbone.{stage}" for stage in network.branches.age.backbone.stages)
