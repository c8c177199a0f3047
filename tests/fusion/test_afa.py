"""CAM, SAM and AFA against the paper's equations, and their properties."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from afanet.errors import InputError
from afanet.fusion import AFA, ChannelAggregation, SpatialAggregation
from afanet.fusion.spatial import LONGEST_GRID

Features = Callable[..., list[Tensor]]
Layer = ChannelAggregation | SpatialAggregation | AFA
LAYERS: list[type[Layer]] = [ChannelAggregation, SpatialAggregation, AFA]
GRID = (5, 6)
SIZES = [GRID, (10, 12), (3, 4), (7, 11), (1, 1), (5, 13)]

small = settings(max_examples=15, deadline=None)
cases = {
    "tasks": st.integers(2, 5),
    "size": st.sampled_from(SIZES),
    "per_task": st.booleans(),
    "seed": st.integers(0, 2**16),
}


def layer_of(kind: type[Layer], tasks: int = 2, per_task: bool = False, seed: int = 0, **options: Any) -> Layer:
    """A float64 layer for four channels whose gates are far from a half."""
    torch.manual_seed(seed)
    layer = kind(4, tasks, GRID, per_task=per_task, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(3)
    return layer


@pytest.mark.parametrize("kind", [AFA, SpatialAggregation])
@pytest.mark.parametrize("seed", range(8))
def test_no_hidden_unit_begins_dead_where_features_lie_behind_a_relu(
    kind: type[AFA | SpatialAggregation], seed: int
) -> None:
    torch.manual_seed(seed)
    layer, xs = kind(4, 2, (6, 8), alive=True), [torch.rand(3, 4, 6, 8) for _ in range(2)]
    assert layer.hidden(xs)["spatial"].min() > 0


def test_it_begins_with_hidden_units_as_large_as_those_of_the_original() -> None:
    ones, sums = torch.ones(1, 2, 7, 7), []
    for seed in range(400):
        torch.manual_seed(seed)
        sums.append(F.conv2d(ones, SpatialAggregation(4, 2, (5, 6)).conv.weight).item())
    alive = F.conv2d(ones, SpatialAggregation(4, 2, (5, 6), alive=True).conv.weight).item()
    assert alive == pytest.approx(3**-0.5) == pytest.approx(torch.tensor(sums).square().mean().sqrt().item(), rel=0.1)
    assert sum(total < 0 for total in sums) > 150  # where s is even, each of these is dead in the original


# The paper's equations, for N tasks: softmax over the pair, CAM then SAM.


def paper(layer: Layer, xs: Sequence[Tensor]) -> list[Tensor]:
    if isinstance(layer, AFA):
        return paper(layer.sam, paper(layer.cam, xs))
    return mixed(xs, (channel_weights if isinstance(layer, ChannelAggregation) else spatial_weights)(layer, xs))


def mixed(xs: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """weights (to, from, ...) broadcast to the features."""
    return [sum((w * x for w, x in zip(row, xs, strict=True)), torch.zeros(())) for row in weights]


def channel_weights(cam: nn.Module, xs: Sequence[Tensor]) -> Tensor:
    d = torch.cat([x.sum((2, 3)) / (x.shape[2] * x.shape[3]) for x in xs], 1)
    g = (d @ cam.W.weight.T).clamp(min=0)
    return gates(cam, cam.P, g)[..., None, None]


def spatial_weights(sam: nn.Module, xs: Sequence[Tensor]) -> Tensor:
    s = torch.stack([x.sum(1) / x.shape[1] for x in xs], 1)
    (H, W), (h, w) = s.shape[2:], sam.grid
    pooled = pooling(H, h) @ s @ pooling(W, w).T
    g = F.conv2d(pooled, sam.conv.weight, padding=3).clamp(min=0).flatten(1)
    grid = gates(sam, sam.Q, g).unflatten(3, (h, w))
    return (bilinear(h, H) @ grid @ bilinear(w, W).T).unsqueeze(3)


def gates(layer: nn.Module, matrices: Tensor, g: Tensor) -> Tensor:
    """(to, from, B, gates): softmax over the pair, or over all sources, of matrices times g."""
    n = layer.tasks
    if layer.per_task:
        e = torch.stack([torch.stack([(g @ m.T).exp() for m in row]) for row in matrices])
        return e / e.sum(1, keepdim=True)
    own, other = (g @ matrices[0].T).exp(), (g @ matrices[1].T).exp()
    own, other = own / (own + other), other / (own + other) / (n - 1)
    return torch.stack([torch.stack([own if i == j else other for j in range(n)]) for i in range(n)])


def pooling(long: int, short: int) -> Tensor:
    m = np.zeros((short, long))
    for i in range(short):
        start, end = i * long // short, -(-(i + 1) * long // short)
        m[i, start:end] = 1 / (end - start)
    return torch.from_numpy(m)


def bilinear(short: int, long: int) -> Tensor:
    m = np.zeros((long, short))
    for i in range(long):
        at = max((i + 0.5) * short / long - 0.5, 0)
        low = min(int(at), short - 1)
        m[i, low] += 1 - (at - low)
        m[i, min(low + 1, short - 1)] += at - low
    return torch.from_numpy(m)


@pytest.mark.parametrize("kind", LAYERS)
@small
@given(**cases)
def test_a_layer_is_the_paper_s_in_value_and_every_gradient(
    kind: type[Layer],
    tasks: int,
    size: tuple[int, int],
    per_task: bool,
    seed: int,
    features: Features,
    gradients: Callable[..., list[Tensor]],
) -> None:
    layer, xs = layer_of(kind, tasks, per_task, seed), features(tasks, (2, 4, *size), seed=seed)
    assert_close(layer(xs), paper(layer, xs), rtol=1e-10, atol=1e-12)
    actual, expected = gradients(layer, layer, xs), gradients(lambda xs: paper(layer, xs), layer, xs)
    assert_close(actual, expected, rtol=1e-9, atol=1e-11)
    assert all(grad.any() for grad in expected[:tasks])


@pytest.mark.parametrize("tasks", [2, 3, 4, 5])
@pytest.mark.parametrize("size", SIZES)
def test_the_composed_form_equals_the_sequence(
    tasks: int, size: tuple[int, int], features: Features, gradients: Callable[..., list[Tensor]]
) -> None:
    afa, xs = layer_of(AFA, tasks), features(tasks, (2, 4, *size))
    assert afa.composed
    assert_close(afa(xs), afa.sam(afa.cam(xs)), rtol=1e-10, atol=1e-12)
    sequence = gradients(lambda xs: afa.sam(afa.cam(xs)), afa, xs)
    assert_close(gradients(afa, afa, xs), sequence, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("dtype", "ulp"), [(torch.bfloat16, 2**-8), (torch.float16, 2**-11)])
def test_under_autocast_composed_and_sequence_differ_by_rounding(
    dtype: torch.dtype, ulp: float, features: Features
) -> None:
    afa, xs = layer_of(AFA).float(), features(shape=(2, 4, 7, 8), dtype=dtype)
    exact = afa([x.float() for x in xs])
    with torch.autocast("cpu", dtype):
        composed, sequence = afa(xs), afa.sam(afa.cam(xs))
    for ours, theirs, truth in zip(composed, sequence, exact, strict=True):
        assert ours.dtype == theirs.dtype == dtype
        # features are rounded once, and gates three times as steep as usual pass their own rounding on
        assert (ours - truth).norm() < 4 * ulp * truth.norm()
        assert (theirs - truth).norm() < 4 * ulp * truth.norm()


# Gates


@pytest.mark.parametrize("kind", LAYERS)
@small
@given(**cases)
def test_gates_are_the_weights_that_make_the_output(
    kind: type[Layer], tasks: int, size: tuple[int, int], per_task: bool, seed: int, features: Features
) -> None:
    layer, xs = layer_of(kind, tasks, per_task, seed), features(tasks, (2, 4, *size), seed=seed)
    actual = layer.gates(xs)
    shapes = {"channel": (2, tasks, tasks, 4, 1, 1), "spatial": (2, tasks, tasks, 1, *size)}
    assert list(actual) == {"AFA": ["channel", "spatial"], "ChannelAggregation": ["channel"]}.get(
        kind.__name__, ["spatial"]
    )
    ys = list(xs)
    for name, gate in actual.items():
        assert gate.shape == shapes[name]
        assert gate.min() >= 0
        assert_close(gate.sum(2), torch.ones_like(gate.sum(2)))
        ys = mixed(ys, gate.movedim(0, 2))
    assert_close(layer(xs), ys, rtol=1e-10, atol=1e-12)


def test_nobody_computes_gates_unasked(features: Features) -> None:
    afa, xs = layer_of(AFA), features()
    with patch.object(ChannelAggregation, "weights") as cam, patch.object(SpatialAggregation, "weights") as sam:
        afa(xs)
        assert cam.call_count == sam.call_count == 0
    with patch.object(ChannelAggregation, "weights", wraps=afa.cam.weights) as cam:
        afa.gates(xs)
        assert cam.call_count == 1


# Sizes and layouts


@pytest.mark.parametrize(
    ("size", "grid"),
    [((7, 7), (7, 7)), ((20, 15), (20, 15)), ((40, 40), (20, 20)), ((36, 48), (15, 20)), ((1, 200), (1, 20))],
)
def test_the_grid_is_the_size_shrunk_to_twenty_a_side(size: tuple[int, int], grid: tuple[int, int]) -> None:
    sam = SpatialAggregation(4, size=size)
    assert sam.grid == grid
    assert sam.Q.shape == (2, grid[0] * grid[1], grid[0] * grid[1])
    assert max(grid) <= LONGEST_GRID
    assert sam([torch.rand(1, 4, *size)] * 2)[0].shape == (1, 4, *size)


def test_at_the_grid_s_size_gates_are_the_grid_s_to_the_bit(features: Features) -> None:
    sam = layer_of(SpatialAggregation)
    s = sam.describe(features())
    g = F.relu(sam.conv(s)).flatten(1)
    own = torch.sigmoid(F.linear(g, sam.Q[0] - sam.Q[1]))
    assert torch.equal(sam.excess(s).flatten(1), 2 * own - 1)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("per_task", [False, True])
@pytest.mark.parametrize("size", [GRID, (9, 4)])
def test_layouts_in_memory_change_nothing_and_are_kept(
    kind: type[Layer], per_task: bool, size: tuple[int, int], features: Features
) -> None:
    layer, xs = layer_of(kind, per_task=per_task), [x.detach() for x in features(shape=(2, 4, *size))]
    expected = layer(xs)
    last = [x.contiguous(memory_format=torch.channels_last).requires_grad_() for x in xs]
    actual = layer(last)
    assert_close(actual, expected)
    assert all(y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous() for y in actual)
    sum(y.square().sum() for y in actual).backward()
    assert all(x.grad.is_contiguous(memory_format=torch.channels_last) for x in last)
    sliced = [torch.cat([x, x], 3)[..., : size[1]] for x in xs]
    tokens = [torch.cat([x, x], 2).flatten(2).mT.contiguous().mT.unflatten(2, (-1, size[1])) for x in xs]
    assert_close(layer(sliced), expected)
    assert_close(layer([x[:, :, : size[0]] for x in tokens]), expected)
    assert_close(layer([x.transpose(2, 3).contiguous().transpose(2, 3) for x in xs]), expected)


# Properties


def permuted(layer: Layer, order: Sequence[int]) -> Layer:
    """The layer whose parameters' task axes are permuted."""
    moved = layer_of(type(layer), layer.tasks, seed=1, per_task=_parts(layer)[0].per_task)
    moved.load_state_dict(layer.state_dict())
    with torch.no_grad():
        for ours, theirs in zip(_parts(moved), _parts(layer), strict=True):
            if isinstance(ours, ChannelAggregation):
                ours.W.weight.copy_(theirs.W.weight.unflatten(1, (layer.tasks, -1))[:, order].flatten(1))
                matrices = "P"
            else:
                ours.conv.weight.copy_(theirs.conv.weight[:, order])
                matrices = "Q"
            if ours.per_task:
                getattr(ours, matrices).copy_(getattr(theirs, matrices)[order][:, order])
    return moved


def _parts(layer: Layer) -> list[Any]:
    return [layer.cam, layer.sam] if isinstance(layer, AFA) else [layer]


@pytest.mark.parametrize("kind", LAYERS)
@small
@given(order=st.integers(2, 5).flatmap(lambda n: st.permutations(range(n))), per_task=st.booleans())
def test_permuting_tasks_and_parameters_permutes_the_outputs(
    kind: type[Layer], order: list[int], per_task: bool, features: Features
) -> None:
    layer, xs = layer_of(kind, len(order), per_task), features(len(order))
    actual = permuted(layer, order)([xs[i] for i in order])
    ys = layer(xs)
    assert_close(actual, [ys[i] for i in order])
    if per_task and order != sorted(order):
        assert not torch.allclose(layer([xs[i] for i in order])[0], actual[0])  # the parameters had to move too


@pytest.mark.parametrize("kind", LAYERS)
@small
@given(**cases)
def test_identical_inputs_pass_unchanged(
    kind: type[Layer], tasks: int, size: tuple[int, int], per_task: bool, seed: int, features: Features
) -> None:
    layer, x = layer_of(kind, tasks, per_task, seed), features(1, (2, 4, *size), seed=seed)[0]
    for y in layer([x] * tasks):
        if per_task:
            assert_close(y, x)
        else:
            assert torch.equal(y, x)


@pytest.mark.parametrize("kind", LAYERS)
@small
@given(**cases)
def test_outputs_are_convex_mixes(
    kind: type[Layer], tasks: int, size: tuple[int, int], per_task: bool, seed: int, features: Features
) -> None:
    layer, xs = layer_of(kind, tasks, per_task, seed), features(tasks, (2, 4, *size), seed=seed)
    everything, ys = torch.stack(xs), torch.stack(layer(xs))
    assert (ys <= everything.amax(0) + 1e-12).all()
    assert (ys >= everything.amin(0) - 1e-12).all()
    if not per_task:
        assert_close(ys.mean(0), everything.mean(0))


# Numbers


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("per_task", [False, True])
@pytest.mark.parametrize("tasks", [2, 3])
def test_gradcheck(kind: type[Layer], per_task: bool, tasks: int, features: Features) -> None:
    layer = kind(2, tasks, (2, 3), per_task=per_task).double()
    xs, parameters = features(tasks, (2, 2, 3, 2)), dict(layer.named_parameters())

    def fuse(*tensors: Tensor) -> tuple[Tensor, ...]:
        state = dict(zip(parameters, tensors[tasks:], strict=True))
        return tuple(torch.func.functional_call(layer, state, (list(tensors[:tasks]),)))

    # a sum over directions is checked, since CAM's r is at least 32
    assert torch.autograd.gradcheck(fuse, (*xs, *parameters.values()), fast_mode=True)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("per_task", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("magnitude", [1.0, 1e3, 1e4])
def test_autocast_stays_finite(
    kind: type[Layer], per_task: bool, dtype: torch.dtype, magnitude: float, features: Features
) -> None:
    layer = layer_of(kind, 8, per_task).float()
    xs = [(x.abs().clamp(max=1) * magnitude).detach().to(dtype).requires_grad_() for x in features(8, (2, 4, 9, 7))]
    with torch.autocast("cpu", dtype):
        ys = layer(xs)
    sum(y.float().mean() for y in ys).backward()
    assert {y.dtype for y in ys} == {dtype}
    assert all(y.isfinite().all() for y in ys)
    assert all(tensor.grad.isfinite().all() for tensor in [*xs, *layer.parameters()])


@pytest.mark.parametrize("per_task", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_layer_can_be_cast(per_task: bool, dtype: torch.dtype, features: Features) -> None:
    layer = layer_of(AFA, per_task=per_task)
    exact, actual = layer(features()), layer.to(dtype)(features(dtype=dtype))
    assert actual[0].dtype == dtype
    assert_close([y.double() for y in actual], exact, rtol=0, atol=0.1)


@pytest.mark.parametrize("per_task", [False, True])
def test_branches_of_two_precisions_meet_in_the_higher(per_task: bool, features: Features) -> None:
    layer, (a, b) = layer_of(AFA, per_task=per_task).float(), features(dtype=torch.float32)
    low = b.bfloat16()
    assert_close(layer([a, low]), layer([a, low.float()]))


def test_softmax_of_extreme_scores_saturates(features: Features) -> None:
    for kind in LAYERS:
        layer = layer_of(kind)
        with torch.no_grad():
            for part in _parts(layer):
                matrices = part.P if isinstance(part, ChannelAggregation) else part.Q
                matrices[0], matrices[1] = 1e6, -1e6
        xs = [x.detach().abs() for x in features()]
        for part in _parts(layer):
            first = part.W if isinstance(part, ChannelAggregation) else part.conv
            first.weight.data.abs_()
        assert_close(layer(xs), xs)


# Cost


def test_shared_gates_cost_linearly_in_the_tasks() -> None:
    counts = [8, 16, 24, 32]
    flops, nodes, parameters = [], [], []
    for tasks in counts:
        afa = AFA(8, tasks, GRID)
        with FlopCounterMode(display=False) as counter:
            ys = afa([torch.rand(1, 8, *GRID, requires_grad=True) for _ in range(tasks)])
            sum(y.sum() for y in ys).backward()
        flops.append(counter.get_total_flops())
        nodes.append(_nodes(torch.stack(ys)))
        parameters.append(sum(p.numel() for p in afa.parameters()))
    for measured in (flops, nodes, parameters):
        assert measured[1] > measured[0]
        assert len(set(np.diff(measured))) == 1  # every eight tasks more cost the same


def test_gates_of_every_task_cost_its_square() -> None:
    sizes = [AFA(8, tasks, GRID, per_task=True).sam.Q.numel() for tasks in (2, 4, 8)]
    assert sizes[2] == 4 * sizes[1] == 16 * sizes[0]


def _nodes(y: Tensor) -> int:
    seen, todo = set(), [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo.extend(parent for parent, _ in node.next_functions)
    return len(seen)


def test_shapes_can_be_had_without_computing() -> None:
    with torch.device("meta"):
        ys = AFA(4, 3, GRID)([torch.rand(2, 4, 9, 9)] * 3)
    assert [y.shape for y in ys] == [(2, 4, 9, 9)] * 3


@pytest.mark.parametrize(
    ("channels", "r"),
    [(16, 32), (256, 32), (1024, 128)],
)
def test_cam_squeezes_as_the_paper_says(channels: int, r: int) -> None:
    assert [ChannelAggregation(channels, tasks).W.weight.shape for tasks in (2, 3)] == [
        (r, 2 * channels),
        (r, 3 * channels),
    ]


def test_spatial_gates_need_a_size() -> None:
    for kind in (SpatialAggregation, AFA):
        with pytest.raises(InputError, match=r"needs size=\(height, width\)"):
            kind(4)
    assert AFA(4, size=GRID, limit=math.inf).composed
