"""The gradient guard against the rule computed by hand, and the original's guarded layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from afanet.fusion import AFA, NDDR, ChannelAggregation, CrossStitch, Fusion, GradientGuard, SpatialAggregation

Features = Callable[..., list[Tensor]]
GOLDEN = Path(__file__).parents[1] / "golden_layers.npz"
SINGLE: list[Callable[..., Fusion]] = [ChannelAggregation, SpatialAggregation, CrossStitch, NDDR]
ALL = [*SINGLE, AFA, partial(AFA, per_task=True)]


def made(kind: Callable[..., Fusion], tasks: int = 2, **options: object) -> Fusion:
    """A float64 layer with large random parameters, so that branches disturb each other."""
    torch.manual_seed(0)
    layer = kind(4, tasks, (5, 6), **options).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter))
    return layer


def backward(layer: Fusion, xs: Sequence[Tensor], deltas: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of the inputs and of the parameters through the guard."""
    return list(torch.autograd.grad(layer(xs), [*xs, *layer.parameters()], deltas))


def by_hand(
    plain: Fusion, xs: Sequence[Tensor], deltas: Sequence[Tensor], limit: float, protect: Collection[int]
) -> tuple[list[Tensor], list[list[int]]]:
    """The same from one autograd pass a module, without a guard, and which branches it kept, last module first."""
    if isinstance(plain, AFA):
        between = [x.detach().requires_grad_() for x in plain.cam(xs)]
        last, kept_last = by_hand(plain.sam, between, deltas, limit, protect)
        first, kept = by_hand(plain.cam, xs, last[: len(xs)], limit, protect)
        return first + last[len(xs) :], kept_last + kept
    grads = list(torch.autograd.grad(plain(xs), [*xs, *plain.parameters()], deltas))
    kept = []
    for i in protect:
        own, joint = deltas[i].square().sum().sqrt(), grads[i].square().sum().sqrt()
        if limit == 0 or (joint > limit * own and own > 0) or not (joint.isfinite() and own.isfinite()):
            grads[i] = deltas[i]
            kept.append(i)
    return grads, [kept]


def guards(layer: Fusion) -> list[GradientGuard]:
    """Last module first."""
    return [module for module in layer.modules() if isinstance(module, GradientGuard)][::-1]


@pytest.mark.parametrize("kind", ALL)
def test_an_infinite_limit_is_the_plain_layer_bit_for_bit(kind: Callable[..., Fusion], features: Features) -> None:
    plain, guarded = made(kind), made(kind, limit=math.inf, protect=[0])
    assert guards(guarded) == []
    xs, deltas = features(), features(seed=1)
    assert all(map(torch.equal, guarded(xs), plain(xs)))
    assert all(map(torch.equal, backward(guarded, xs, deltas), backward(plain, xs, deltas)))


@pytest.mark.parametrize("kind", ALL)
def test_a_limit_too_high_to_be_met_changes_no_gradient(kind: Callable[..., Fusion], features: Features) -> None:
    layer, xs, deltas = made(kind, limit=1e9), features(), features(seed=1)
    assert_close(layer(xs), made(kind)(xs))
    assert_close(backward(layer, xs, deltas), backward(made(kind), xs, deltas))
    assert all(guard.acted.tolist() == [0, 0] and guard.passes == 1 for guard in guards(layer))


@pytest.mark.parametrize("kind", ALL)
@settings(max_examples=20, deadline=None)
@given(
    tasks=st.integers(2, 4),
    limit=st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.1, 2.0]),
    protect=st.sets(st.integers(0, 1)),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
    seed=st.integers(0, 99),
)
def test_the_rule_holds_per_branch_and_per_module(
    kind: Callable[..., Fusion],
    tasks: int,
    limit: float,
    protect: set[int],
    scale: float,
    seed: int,
    features: Features,
) -> None:
    xs, deltas = features(tasks, seed=seed), features(tasks, seed=seed + 100)
    deltas[0] = deltas[0] * scale
    layer = made(kind, tasks, limit=limit, protect=protect)
    expected, kept = by_hand(made(kind, tasks), xs, deltas, limit, protect)
    actual = backward(layer, xs, deltas)
    assert_close(actual, expected, rtol=1e-9, atol=1e-11)
    for guard, branches in zip(guards(layer), kept, strict=True):
        assert guard.acted.tolist() == [int(i in branches) for i in range(tasks)]
        assert guard.passes == 1


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize("branch", [0, 1])
def test_it_acts_just_above_the_limit_and_not_just_below(
    kind: Callable[..., Fusion], branch: int, features: Features
) -> None:
    xs, deltas = features(), features(seed=1)
    fused = backward(made(kind), xs, deltas)[branch]
    ratio = (fused.norm() / deltas[branch].norm()).item()
    for limit, passed, acted in [(ratio * (1 - 1e-6), deltas[branch], 1), (ratio * (1 + 1e-6), fused, 0)]:
        layer = made(kind, limit=limit, protect=[branch])
        assert_close(backward(layer, xs, deltas)[branch], passed)
        assert layer.guard.acted[branch] == acted


def test_cam_and_sam_decide_by_themselves(features: Features) -> None:
    xs, deltas = features(), features(seed=1)
    decisions = set()
    for limit in np.linspace(0.4, 1.6, 25):
        layer = made(AFA, limit=float(limit))
        backward(layer, xs, deltas)
        decisions.add((tuple(layer.sam.guard.acted.tolist()), tuple(layer.cam.guard.acted.tolist())))
    assert any(sam != cam for sam, cam in decisions)
    assert len(decisions) > 2


def test_a_branch_without_gradient_takes_the_fused_one_unless_the_limit_is_zero(features: Features) -> None:
    xs = features()
    deltas = [torch.zeros_like(xs[0]), features(seed=1)[1]]
    fused = backward(made(CrossStitch), xs, deltas)
    assert fused[0].any()
    layer = made(CrossStitch, limit=1e-3, protect=[0])
    assert_close(backward(layer, xs, deltas), fused)
    assert layer.guard.acted.tolist() == [0, 0]
    extreme = made(CrossStitch, limit=0.0, protect=[0])
    assert not backward(extreme, xs, deltas)[0].any()
    assert extreme.guard.acted.tolist() == [1, 0]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_passes_the_branch_s_own(value: float) -> None:
    guard = GradientGuard(2, limit=10.0)
    finite, odd = torch.ones(3), torch.tensor([1.0, value, 1.0])
    assert torch.equal(guard.choose([finite, finite], [odd, finite])[0], finite)
    assert torch.equal(guard.choose([odd, finite], [finite, finite])[0].nan_to_num(7), odd.nan_to_num(7))
    assert guard.acted.tolist() == [2, 0]
    assert guard.passes == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_norms_of_large_half_precision_gradients_are_had_in_float32(dtype: torch.dtype) -> None:
    guard = GradientGuard(2, limit=1.5)
    own, joint = torch.full((1000,), 3e4, dtype=dtype), torch.full((1000,), 4e4, dtype=dtype)
    assert torch.equal(guard.choose([own, own], [joint, joint])[0], joint)
    assert torch.equal(guard.choose([own, own], [2 * own.abs().clamp(max=3e4), joint])[0], own)


def test_parameters_get_the_joint_gradient_in_closed_form(features: Features) -> None:
    xs, deltas = features(3), features(3, seed=1)
    layer = made(CrossStitch, 3, limit=0.0)
    actual = backward(layer, xs, deltas)
    assert all(map(torch.equal, actual[:3], deltas))
    expected = torch.einsum("tbchw,sbchw->tsc", torch.stack(deltas), torch.stack(xs))
    assert_close(actual[3], expected[..., None, None])


@pytest.mark.parametrize("name", ["plain", "guarded"])
def test_the_original_s_layers(name: str) -> None:
    with np.load(GOLDEN) as file:
        golden = {key.removeprefix(f"{name}/"): torch.from_numpy(file[key]) for key in file if key.startswith(name)}

    def parameters(kind: str) -> list[Tensor]:
        pairs = [torch.stack([golden[f"{kind}/{part}.trans{i}.weight"] for i in (1, 2)]) for part in ("cam", "sam")]
        return [pairs[0], golden[f"{kind}/cam.fc.weight"], pairs[1], golden[f"{kind}/sam.conv.weight"]]

    layer = AFA(16, size=(5, 6), limit=0.0 if name == "guarded" else math.inf, protect=[0]).double()
    assert [key for key, _ in layer.named_parameters()] == ["cam.P", "cam.W.weight", "sam.Q", "sam.conv.weight"]
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), parameters("weight"), strict=True):
            parameter.copy_(value)
    xs = [golden[key].requires_grad_() for key in ("x1", "x2")]
    actual = [*layer.cam(xs), *layer(xs), *backward(layer, xs, [golden["g1"], golden["g2"]])]
    values = [golden[key] for key in ("after_cam1", "after_cam2", "y1", "y2", "grad_x1", "grad_x2")]
    for ours, theirs in zip(actual, values + parameters("grad"), strict=True):
        assert (ours - theirs).norm() <= 1e-10 * theirs.norm()


def test_one_guard_around_the_composed_layer_would_be_wrong(features: Features) -> None:
    xs, deltas = features(), features(seed=1)
    layer, composed = made(AFA, limit=0.0, protect=[0]), made(AFA)
    composed.guard = GradientGuard(2, limit=0.0, protect=[0])
    wrong, right = backward(composed, xs, deltas), backward(layer, xs, deltas)
    assert (wrong[1] - right[1]).norm() > 0.01 * right[1].norm()


# In company


@pytest.mark.parametrize("kind", ALL)
def test_it_works_under_autocast(kind: Callable[..., Fusion], features: Features) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        layer, xs = made(kind, limit=0.0, protect=[1]).float(), features(dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16):
            ys = layer(xs)
        deltas = features(dtype=ys[0].dtype, seed=1)
        grads = torch.autograd.grad(ys, xs, deltas)
        assert [grad.dtype for grad in grads] == [dtype, dtype]
        assert_close(grads[1], deltas[1].to(dtype))
        assert grads[0].isfinite().all()
        assert [guard.acted.tolist() for guard in guards(layer)] == [[0, 1]] * len(guards(layer))


@pytest.mark.parametrize("kind", ALL)
def test_an_output_that_nobody_uses_has_a_zero_delta(kind: Callable[..., Fusion], features: Features) -> None:
    xs, delta = features(), features(seed=1)[0]
    layer = made(kind, limit=0.9)
    actual = torch.autograd.grad(layer(xs)[0], xs, delta)
    assert_close(list(actual), by_hand(made(kind), xs, [delta, torch.zeros_like(delta)], 0.9, [0, 1])[0][:2])


@pytest.mark.parametrize("kind", [ChannelAggregation, SpatialAggregation, AFA, CrossStitch])
@pytest.mark.parametrize("limit", [0.0, 0.9, math.inf])
def test_features_may_be_changed_in_place_right_before_and_after(
    kind: Callable[..., Fusion], limit: float, features: Features
) -> None:
    layer, leaves, deltas = made(kind, limit=limit), features(), features(seed=1)
    places = [torch.relu_(x * 2) for x in leaves]
    copies = [torch.relu(x * 2) for x in leaves]
    actual = torch.autograd.grad([y.sub_(0.3).relu_() for y in layer(places)], leaves, deltas)
    expected = torch.autograd.grad([torch.relu(y - 0.3) for y in layer(copies)], leaves, deltas)
    assert all(map(torch.equal, actual, expected))


def test_what_was_saved_inside_and_then_changed_in_place_is_noticed(features: Features) -> None:
    ys = made(NDDR, limit=1.0)(features())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        ys[0].relu_().sum().backward()  # as without a guard: NDDR's own ReLU has saved its output


def test_twice_backward_counts_twice(features: Features) -> None:
    layer, xs, deltas = made(AFA, limit=0.0, protect=[0]), features(), features(seed=1)
    ys = layer(xs)
    torch.autograd.backward(ys, deltas, retain_graph=True)
    once = [x.grad.clone() for x in xs]
    torch.autograd.backward(ys, deltas)
    assert_close([x.grad for x in xs], [2 * grad for grad in once])
    assert all(guard.passes == 2 and guard.acted.tolist() == [2, 0] for guard in guards(layer))


def test_a_frozen_branch_and_no_gradients_at_all(features: Features) -> None:
    layer, (a, b) = made(AFA, limit=0.0), features()
    deltas = features(seed=1)
    (grad,) = torch.autograd.grad(layer([a.detach(), b]), [b], deltas)
    assert torch.equal(grad, deltas[1])
    with torch.no_grad():
        assert_close(layer([a, b]), made(AFA)([a, b]))
    assert [guard.passes.item() for guard in guards(layer)] == [1, 1]


@pytest.mark.parametrize("kind", [AFA, CrossStitch, NDDR])
def test_it_runs_beside_a_compiled_graph(kind: Callable[..., Fusion], features: Features) -> None:
    torch._dynamo.reset()
    layer, xs, deltas = made(kind, limit=0.9), features(), features(seed=1)
    expected = backward(layer, xs, deltas)
    compiled = torch.compile(layer, backend="aot_eager")
    actual = torch.autograd.grad(compiled(xs), [*xs, *layer.parameters()], deltas)
    assert_close(list(actual), expected)
    assert all(guard.passes == 2 for guard in guards(layer))
    torch._dynamo.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="the gradient guard compares gradients in Python"):
        torch.compile(layer, backend="aot_eager", fullgraph=True)(xs)


def test_a_copy_counts_for_itself_and_states_hold_no_counts(features: Features) -> None:
    layer, xs, deltas = made(AFA, limit=0.0), features(), features(seed=1)
    other = copy.deepcopy(layer)
    assert_close(backward(other, xs, deltas), backward(layer, xs, deltas))
    backward(other, xs, deltas)
    assert (layer.cam.guard.passes, other.cam.guard.passes) == (1, 2)
    assert layer.state_dict().keys() == made(AFA).state_dict().keys()
    assert "limit=0.0, protect=[0, 1]" in repr(layer)
