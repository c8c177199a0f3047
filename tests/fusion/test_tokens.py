"""Class and register tokens are mixed by the gates of the channels alone, whatever the layer does by pixel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from afanet.fusion import AFA, NDDR, ChannelAggregation, CrossStitch, Fusion, SpatialAggregation, cut_connection

Features = Callable[..., list[Tensor]]
KINDS: dict[str, Callable[..., Fusion]] = {
    "AFA": AFA,
    "AFA-per_task": partial(AFA, per_task=True),
    "AFA-guarded": partial(AFA, limit=1.0),
    "CAM": ChannelAggregation,
    "CAM-per_task": partial(ChannelAggregation, per_task=True),
    "CrossStitch": CrossStitch,
    "CrossStitch-guarded": partial(CrossStitch, limit=1.0),
    "NDDR": NDDR,
    "SAM": SpatialAggregation,
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
TASKS = 3


def made(kind: Callable[..., Fusion], tasks: int = TASKS) -> Fusion:
    torch.manual_seed(0)
    return kind(4, tasks=tasks, size=(5, 6)).double().eval()


def prefix_of(features: Features, tasks: int = TASKS) -> list[Tensor]:
    return features(tasks, (2, 4, 2, 1), seed=5)


@every_kind
def test_patches_do_not_notice_the_tokens_before_them(kind: Callable[..., Fusion], features: Features) -> None:
    layer, xs = made(kind), features(TASKS)
    fused = layer(xs, prefix_of(features))
    assert [y.shape for y in fused[TASKS:]] == [(2, 4, 2, 1)] * TASKS
    assert all(torch.equal(*pair) for pair in zip(fused[:TASKS], layer(xs), strict=True))


@every_kind
def test_tokens_are_mixed_by_the_channel_gates(kind: Callable[..., Fusion], features: Features) -> None:
    layer, xs, prefix = made(kind), features(TASKS), prefix_of(features)
    mixed = layer(xs, prefix)[TASKS:]
    if isinstance(layer, NDDR):
        stacked = torch.cat(prefix, 1)[..., 0]
        expected = [torch.einsum("oc,bcp->bop", conv.weight[..., 0, 0], stacked)[..., None] for conv in layer.convs]
    elif isinstance(layer, SpatialAggregation):
        expected = prefix
    else:
        gates = layer.alpha[None] if isinstance(layer, CrossStitch) else layer.gates(xs)["channel"]
        expected = list((gates * torch.stack(prefix, 1)[:, None]).sum(2).unbind(1))
    assert_close(mixed, expected)


@every_kind
def test_equal_tokens_stay_as_they_are(kind: Callable[..., Fusion], features: Features) -> None:
    """The weights sum to one: of AFA always, of cross-stitch and NDDR where they start."""
    token = prefix_of(features)[0]
    for mixed in made(kind)(features(TASKS), [token] * TASKS)[TASKS:]:
        assert_close(mixed, token)


@pytest.mark.parametrize("kind", [AFA, ChannelAggregation, CrossStitch, NDDR])
def test_renaming_the_two_tasks_renames_their_tokens(kind: type[Fusion], features: Features) -> None:
    layer, xs, prefix = made(kind, 2), features(2), prefix_of(features, 2)
    if isinstance(layer, AFA | ChannelAggregation):  # symmetric in the tasks if its first layer is
        cam = layer.cam if isinstance(layer, AFA) else layer
        with torch.no_grad():
            cam.W.weight[:, 4:] = cam.W.weight[:, :4]
    assert_close(layer(xs[::-1], prefix[::-1])[2:], layer(xs, prefix)[2:][::-1])


@pytest.mark.parametrize("kind", [AFA, partial(AFA, per_task=True), ChannelAggregation, CrossStitch])
def test_gradients_of_tokens_are_right(kind: Callable[..., Fusion], features: Features) -> None:
    layer = made(kind, 2)
    inputs = [*features(2), *prefix_of(features, 2)]
    assert torch.autograd.gradcheck(lambda *all: tuple(layer(all[:2], all[2:])), inputs, fast_mode=True)


def test_a_guard_of_zero_lets_no_token_pass_a_gradient_to_another_task(features: Features) -> None:
    layer, xs, prefix = made(partial(AFA, limit=0.0)), features(TASKS), prefix_of(features)
    layer(xs, prefix)[TASKS].sum().backward()
    assert_close(prefix[0].grad, torch.ones_like(prefix[0]))
    assert not any(tensor.grad is not None and tensor.grad.any() for tensor in [*xs, *prefix[1:]])
    assert layer.cam.W.weight.grad.any()  # the gates learn


@pytest.mark.parametrize("kind", [AFA, partial(AFA, per_task=True), CrossStitch, NDDR])
def test_a_cut_connection_carries_no_token(kind: Callable[..., Fusion], features: Features) -> None:
    layer, xs, prefix = made(kind), features(TASKS), prefix_of(features)
    network = nn.ModuleDict({"stem": layer})
    with cut_connection(network, "stem", to=0, source=1):
        before = layer(xs, prefix)
        changed = layer(xs, [prefix[0], prefix[1] + 1, prefix[2]])
    assert_close(changed[TASKS], before[TASKS])
    assert not torch.equal(changed[TASKS + 2], before[TASKS + 2])


class Mean(Fusion):
    """A layer from outside that knows nothing of tokens."""

    def fuse(self, xs: list[Tensor]) -> list[Tensor]:
        return [sum(xs) / len(xs)] * len(xs)


def test_tokens_pass_beside_a_layer_that_says_nothing_of_them(features: Features) -> None:
    layer, prefix = Mean(4, 3), prefix_of(features)
    assert all(torch.equal(*pair) for pair in zip(layer(features(3), prefix)[3:], prefix, strict=True))
