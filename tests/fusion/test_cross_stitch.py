"""Cross-stitch units against their formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from afanet.fusion import CrossStitch

Features = Callable[..., list[Tensor]]


def stitch_of(tasks: int) -> CrossStitch:
    layer = CrossStitch(4, tasks).double()
    torch.nn.init.normal_(layer.alpha)
    return layer


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_it_starts_as_nine_tenths_own_and_a_tenth_from_the_others(tasks: int, features: Features) -> None:
    xs = features(tasks)
    others = [sum(xs) - x for x in xs]
    expected = [0.9 * x + 0.1 / (tasks - 1) * other for x, other in zip(xs, others, strict=True)]
    assert_close(CrossStitch(4, tasks)(xs), expected, rtol=1e-6, atol=1e-6)  # the parameters are float32


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_it_is_its_formula_in_value_and_gradient(
    tasks: int, features: Features, gradients: Callable[..., list[Tensor]]
) -> None:
    layer, xs = stitch_of(tasks), features(tasks)

    def formula(xs: list[Tensor]) -> list[Tensor]:
        return list(torch.einsum("tsc,sbchw->tbchw", layer.alpha[..., 0, 0], torch.stack(xs)))

    assert_close(layer(xs), formula(xs))
    assert_close(gradients(layer, layer, xs), gradients(formula, layer, xs))


@settings(max_examples=15, deadline=None)
@given(order=st.integers(2, 5).flatmap(lambda n: st.permutations(range(n))))
def test_permuting_tasks_and_weights_permutes_the_outputs(order: list[int], features: Features) -> None:
    layer, xs = stitch_of(len(order)), features(len(order))
    ys = layer(xs)
    with torch.no_grad():
        layer.alpha.copy_(layer.alpha[order][:, order].clone())
    assert_close(layer([xs[i] for i in order]), [ys[i] for i in order])


def test_gradcheck(features: Features) -> None:
    layer = stitch_of(3)
    assert torch.autograd.gradcheck(
        lambda alpha, *xs: tuple(torch.func.functional_call(layer, {"alpha": alpha}, (list(xs),))),
        (layer.alpha, *features(3, (2, 4, 2, 2))),
    )


def test_channels_last_features_stay_so(features: Features) -> None:
    xs = [x.contiguous(memory_format=torch.channels_last) for x in features()]
    ys = stitch_of(2)(xs)
    assert all(y.is_contiguous(memory_format=torch.channels_last) for y in ys)
