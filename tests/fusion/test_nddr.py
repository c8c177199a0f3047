"""NDDR against its formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from afanet.fusion import NDDR

Features = Callable[..., list[Tensor]]


def nddr_of(tasks: int) -> NDDR:
    """A float64 layer whose every parameter and statistic is random."""
    torch.manual_seed(0)
    layer = NDDR(4, tasks).double()
    for tensor in [*layer.parameters(), *(b for b in layer.buffers() if b.is_floating_point())]:
        torch.nn.init.uniform_(tensor, 0.2, 1)
    return layer


@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_up_to_bn_and_relu_it_starts_as_nine_tenths_own(tasks: int, features: Features) -> None:
    xs = features(tasks)
    layer = NDDR(4, tasks).double()
    for i, conv in enumerate(layer.convs):
        others = sum(xs) - xs[i]
        expected = 0.9 * xs[i] + 0.1 / (tasks - 1) * others
        assert_close(conv(torch.cat(xs, 1)), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("tasks", [2, 3])
def test_it_is_its_formula_in_value_and_gradient(
    training: bool, tasks: int, features: Features, gradients: Callable[..., list[Tensor]]
) -> None:
    layer, xs = nddr_of(tasks).train(training), features(tasks)

    def formula(xs: list[Tensor]) -> list[Tensor]:
        return [one(i, torch.cat(list(xs), 1)) for i in range(tasks)]

    def one(i: int, x: Tensor) -> Tensor:
        norm = layer.norms[i]
        z = torch.einsum("oc,bchw->bohw", layer.convs[i].weight[..., 0, 0], x)
        mean, var = z.mean((0, 2, 3)), z.var((0, 2, 3), correction=0)
        if not training:
            mean, var = norm.running_mean, norm.running_var
        z = (z - mean[:, None, None]) / (var[:, None, None] + norm.eps).sqrt()
        return (z * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)

    expected = formula(xs), gradients(formula, layer, xs)  # before training changes the statistics
    assert_close((layer(xs), gradients(layer, layer, xs)), expected)


@settings(max_examples=15, deadline=None)
@given(order=st.integers(2, 5).flatmap(lambda n: st.permutations(range(n))))
def test_permuting_tasks_and_parameters_permutes_the_outputs(order: list[int], features: Features) -> None:
    layer, xs = nddr_of(len(order)), features(len(order))
    moved = NDDR(4, len(order)).double()
    with torch.no_grad():
        for ours, theirs in enumerate(order):
            kernel = layer.convs[theirs].weight.unflatten(1, (len(order), -1))
            moved.convs[ours].weight.copy_(kernel[:, order].flatten(1, 2))
            moved.norms[ours].load_state_dict(layer.norms[theirs].state_dict())
    actual, ys = moved([xs[i] for i in order]), layer(xs)
    assert_close(actual, [ys[i] for i in order])


def test_gradcheck(features: Features) -> None:
    layer, xs = nddr_of(2).eval(), features(2, (2, 4, 2, 2))
    parameters = dict(layer.named_parameters())

    def fuse(*tensors: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(parameters, tensors[2:], strict=True))
        return tuple(torch.func.functional_call(layer, state, (list(tensors[:2]),)))

    assert torch.autograd.gradcheck(fuse, (*xs, *parameters.values()))


def test_running_statistics_keep_nineteen_twentieths_as_the_authors_have_it(features: Features) -> None:
    xs = features(2)
    layer = NDDR(4, 2).double().train()
    y = layer.convs[0](torch.cat(xs, 1))
    layer(xs)
    assert_close(layer.norms[0].running_mean, 0.05 * y.mean((0, 2, 3)))
    assert_close(layer.norms[0].running_var, 0.95 + 0.05 * y.var((0, 2, 3)))
