"""Under autocast a head gives float32 with all its digits, whoever wrote it and however the network was made."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet import Dense, Head, Pooled, create_network, register_head
from afanet.networks import HEADS, Stage
from afanet.networks.heads.deeplabv3plus import DeepLabV3Plus
from afanet.networks.heads.linear import PooledLinear

STAGES = [Stage(8, 4), Stage(16, 16)]
SIZE = (96, 128)
PIXELS = 96 * 128
OUTPUTS = {"depth": Dense(1), "scene": Pooled(5)}


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


class Plain(Head):
    """A head of somebody who never heard of autocast."""

    output = "dense"

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(stages[-1].channels, 8, 3, padding=1)
        self.second = nn.Conv2d(8, outputs, 1)

    def forward(self, features: tuple[Tensor, ...], size: Sequence[int]) -> Tensor:
        return F.interpolate(
            self.second(self.first(features[-1]).relu()), tuple(size), mode="bilinear", align_corners=True
        )


class Resizing:
    def forward(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        return resize(self.logits(features[0]), size)  # type: ignore[attr-defined]


class Mixin(Resizing, Head):
    """A head whose forward comes from a class that is no head."""

    output = "dense"

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.logits = nn.Conv2d(stages[0].channels, outputs, 1)


class Rewritten(DeepLabV3Plus):
    """The forward of a class below one that sees to its last layer itself."""

    def forward(self, features: tuple[Tensor, ...], size: Sequence[int]) -> Tensor:
        return F.interpolate(
            F.conv2d(features[0], self.low[0].weight)[:, :1], tuple(size), mode="bilinear", align_corners=True
        )


def features() -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return tuple(
        torch.randn(1, stage.channels, SIZE[0] // stage.stride, SIZE[1] // stage.stride).bfloat16() for stage in STAGES
    )


def made(kind: type[Head]) -> Head:
    torch.manual_seed(1)
    return kind.build(STAGES, 1, 16).eval()


@pytest.mark.parametrize("kind", [Plain, Mixin, Rewritten, PooledLinear])
def test_a_head_computes_in_float32_whatever_autocast_says(kind: type[Head]) -> None:
    head = made(kind)
    expected = head(tuple(x.float() for x in features()), SIZE)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = head(features(), SIZE)
        assert torch.is_autocast_enabled("cpu")
    assert y.dtype == torch.float32
    assert torch.equal(y, expected)


@pytest.mark.parametrize("kind", [DeepLabV3Plus, Plain, Mixin])
def test_a_map_has_about_as_many_values_as_pixels(kind: type[Head]) -> None:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        y = made(kind)(features(), SIZE)
    assert len(y.unique()) > 0.95 * PIXELS  # bf16 has 256 values between two powers of two


def test_early_layers_of_the_dense_head_stay_in_half_precision() -> None:
    head, dtypes = made(DeepLabV3Plus), []
    assert isinstance(head, DeepLabV3Plus)
    head.refine.register_forward_hook(lambda part, given, y: dtypes.append(y.dtype))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        head(features(), SIZE)
    assert dtypes == [torch.bfloat16]


def test_without_autocast_a_network_of_another_precision_stays_one() -> None:
    half = tuple(x.bfloat16() for x in features())
    double = tuple(x.double() for x in half)
    for kind in (Plain, DeepLabV3Plus, PooledLinear):
        assert made(kind).bfloat16()(half, SIZE).dtype == torch.bfloat16
        assert made(kind).double()(double, SIZE).dtype == torch.float64


@pytest.fixture(autouse=True)
def own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HEADS, "_rows", dict(HEADS._rows))


@pytest.mark.parametrize(
    ("method", "head"), [("hard", None), ("nddr", None), ("mtan", None), ("afa", None), ("mtan", "plain")]
)
def test_networks_train_on_outputs_in_float32(method: str, head: str | None) -> None:
    register_head("plain", Plain)
    torch.manual_seed(0)
    network = create_network(method, OUTPUTS, "test_resnet", size=(64, 96), head=head)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(torch.randn(2, 3, 64, 96))
    assert {y.dtype for y in outputs.values()} == {torch.float32}
    assert len(outputs["depth"].unique()) > 0.9 * 2 * 64 * 96
    sum(y.square().mean() for y in outputs.values()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("change", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_keep_to_it(change: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    network = change(create_network("afa", {"depth": Dense(1), "far": Dense(1)}, "test_resnet", size=(64, 96)).eval())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = network(torch.randn(1, 3, 64, 96))
    for y in outputs.values():
        assert y.dtype == torch.float32
        assert len(y.unique()) > 0.9 * 64 * 96
