"""What holds for every fusion layer: the call, its errors, copies, compilation and export."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from afanet.errors import InputError
from afanet.fusion import AFA, NDDR, ChannelAggregation, CrossStitch, Fusion, SpatialAggregation
from afanet.fusion.mix import weighted_sums

Features = Callable[..., list[Tensor]]
LAYERS: list[Callable[..., Fusion]] = [
    ChannelAggregation,
    SpatialAggregation,
    AFA,
    CrossStitch,
    NDDR,
    partial(AFA, per_task=True),
]
every_layer = pytest.mark.parametrize("kind", LAYERS, ids=["CAM", "SAM", "AFA", "CrossStitch", "NDDR", "AFA-per_task"])


@every_layer
@pytest.mark.parametrize("tasks", [2, 3, 5])
def test_every_layer_is_built_by_one_call_and_takes_n_tensors_to_n(
    kind: Callable[..., Fusion], tasks: int, features: Features
) -> None:
    layer = kind(4, tasks=tasks, size=(5, 6))
    xs = features(tasks, dtype=torch.float32)
    ys = layer(xs)
    assert isinstance(ys, list)
    assert [y.shape for y in ys] == [xs[0].shape] * tasks
    assert all(y.is_contiguous() for y in ys)
    sum(y.square().sum() for y in ys).backward()
    assert all(tensor.grad is not None and tensor.grad.any() for tensor in [*xs, *layer.parameters()])
    assert f"channels=4, tasks={tasks}, size=(5, 6)" in repr(layer)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 1}, "tasks=1: a fusion layer needs at least 2"),
        ({"channels": 0}, "channels=0: the features need at least 1"),
        ({"size": (7,)}, r"size=\(7,\): expected the features' \(height, width\)"),
        ({"size": (0, 7)}, r"size=\(0, 7\): expected"),
        ({"limit": -1.0}, "limit=-1.0: expected a number of at least 0"),
        ({"limit": math.nan}, "limit=nan: expected"),
        ({"limit": 1.0, "protect": [2]}, "protect=2: expected branches from 0 to 1"),
        ({"limit": 1.0, "protect": [-1]}, "protect=-1: expected branches"),
    ],
)
@every_layer
def test_bad_arguments_give_one_sentence(kind: Callable[..., Fusion], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        kind(**{"channels": 4, "size": (5, 6)} | options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "shapes",
    [
        [],
        [(2, 4, 5, 6)],
        [(2, 4, 5, 6)] * 3,
        [(2, 1, 5, 6)] * 2,
        [(2, 4, 5, 6), (2, 4, 5, 1)],
        [(2, 4, 5, 6), (1, 4, 5, 6)],
        [(4, 5, 6)] * 2,
    ],
)
@every_layer
def test_other_features_than_it_was_built_for_are_refused(
    kind: Callable[..., Fusion], shapes: list[tuple[int, ...]]
) -> None:
    layer = kind(4, size=(5, 6))
    actual = ", ".join(map(str, shapes)) or "none"
    with pytest.raises(InputError, match=r"2 tensors of one shape \(batch, 4, height, width\) and got") as caught:
        layer([torch.rand(shape) for shape in shapes])
    assert str(caught.value).endswith(actual)


@every_layer
def test_copies_compute_the_same(kind: Callable[..., Fusion], features: Features) -> None:
    layer, xs = kind(4, size=(5, 6)).eval(), features(dtype=torch.float32)
    expected = layer(xs)
    fresh = kind(4, size=(5, 6)).eval()
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), fresh):
        assert all(map(torch.equal, other(xs), expected))


@every_layer
def test_a_layer_compiles_into_one_graph(
    kind: Callable[..., Fusion], features: Features, gradients: Callable[..., list[Tensor]]
) -> None:
    torch._dynamo.reset()
    layer, xs = kind(4, size=(5, 6)), features(dtype=torch.float32)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert_close(compiled(xs), layer(xs))
    assert_close(gradients(compiled, layer, xs), gradients(layer, layer, xs))


@every_layer
@pytest.mark.parametrize("limit", [math.inf, 1.0])
def test_a_layer_exports_for_any_batch_and_size(kind: Callable[..., Fusion], limit: float, features: Features) -> None:
    layer = kind(4, size=(5, 6), limit=limit).eval()
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    xs = [x.detach() for x in features(dtype=torch.float32)]
    program = torch.export.export(layer, (xs,), dynamic_shapes={"xs": [free, free]})
    for shape in [(2, 4, 5, 6), (3, 4, 5, 6), (2, 4, 11, 4)]:
        ys = [y.detach() for y in features(shape=shape, dtype=torch.float32)]
        assert_close(program.module()(ys), layer(ys))


@pytest.mark.parametrize("kind", [CrossStitch, NDDR])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("magnitude", [1.0, 1e3, 1e4])
def test_autocast_stays_finite(kind: type[Fusion], dtype: torch.dtype, magnitude: float, features: Features) -> None:
    layer = kind(4)
    xs = [(x.abs().clamp(max=1) * magnitude).detach().to(dtype).requires_grad_() for x in features()]
    with torch.autocast("cpu", dtype):
        ys = layer(xs)
    sum(y.float().mean() for y in ys).backward()
    assert {y.dtype for y in ys} == {dtype}
    assert all(y.isfinite().all() for y in ys)
    assert all(tensor.grad.isfinite().all() for tensor in [*xs, *layer.parameters()])


@every_layer
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_layer_can_be_cast(kind: Callable[..., Fusion], dtype: torch.dtype, features: Features) -> None:
    layer = kind(4, size=(5, 6)).to(dtype)
    assert {y.dtype for y in layer(features(dtype=dtype))} == {dtype}


def test_weighted_sums_are_the_matrix_of_weights_times_the_features(features: Features) -> None:
    xs, weights = features(3), torch.rand(2, 3, 1, 4, 1, 1, dtype=torch.float64)
    expected = torch.einsum("tsc,sbchw->tbchw", weights[:, :, 0, :, 0, 0], torch.stack(xs))
    assert_close(torch.stack(weighted_sums(xs, weights)), expected)


def test_a_class_that_changes_the_mix_inherits_nothing_that_describes_it(features: Features) -> None:
    class Half(AFA):
        def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
            return [(x + y) / 2 for x, y in zip(xs, super().fuse(xs), strict=True)]

    class Named(AFA):
        pass

    layer, xs = Half(4, size=(5, 6)).double(), features()
    assert (layer.offers_gates, layer.offers_flow, layer.offers_cut, layer.mixes_by_gates) == (False,) * 4
    with pytest.raises(InputError, match="Half defines no cut"):
        layer.cut(xs, 0, 1)
    assert_close(layer.fuse_tokens(xs, xs)[: len(xs)], layer.fuse(xs))
    assert Named(4, size=(5, 6)).offers_cut
