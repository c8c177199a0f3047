"""Layers by gates from outside: their own change nothing, others do what the gates say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from afanet import (
    AFA,
    NDDR,
    ChannelAggregation,
    CrossStitch,
    Fusion,
    InputError,
    SpatialAggregation,
    record_gates,
    record_hidden,
    replace_gates,
    weave,
)

Features = Callable[..., list[Tensor]]
KINDS: dict[str, Callable[..., Fusion]] = {
    "AFA": AFA,
    "AFA-per_task": partial(AFA, per_task=True),
    "AFA-guarded": partial(AFA, limit=1.0),
    "AFA-readers": partial(AFA, readers=[1]),
    "CAM": ChannelAggregation,
    "CAM-per_task": partial(ChannelAggregation, per_task=True),
    "SAM": SpatialAggregation,
    "SAM-per_task": partial(SpatialAggregation, per_task=True),
}


def made(kind: Callable[..., Fusion], tasks: int = 2) -> nn.ModuleDict:
    torch.manual_seed(tasks)
    layer = kind(4, tasks=tasks, size=(5, 6)).double().eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return nn.ModuleDict({"stem": layer})


def close(actual: list[Tensor], expected: list[Tensor]) -> None:
    for y, wanted in zip(actual, expected, strict=True):
        assert_close(y, wanted, rtol=1e-5, atol=1e-5)  # gates are recorded in float32


@pytest.mark.parametrize("tasks", [2, 3])
@pytest.mark.parametrize("size", [(5, 6), (9, 7)])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_layers_own_gates_change_nothing(
    kind: Callable[..., Fusion], size: tuple[int, int], tasks: int, features: Features
) -> None:
    network, xs, prefix = made(kind, tasks), features(tasks, (2, 4, *size)), features(tasks, (2, 4, 3, 1), seed=5)
    layer = network["stem"]
    with torch.no_grad():
        with record_gates(network, raw=True) as gates:
            own = layer(xs, prefix)
        with replace_gates(network, gates):
            close(layer(xs, prefix), own)
            close(layer(xs), own[:tasks])
        after = layer(xs, prefix)
    assert all(map(torch.equal, after, own))
    assert not layer._forward_hooks


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_with_the_gates_of_one_image_a_layer_is_linear(kind: Callable[..., Fusion], features: Features) -> None:
    network, xs, others = made(kind), features(), features(seed=3)
    with torch.no_grad():
        with record_gates(network, raw=True) as gates:
            network["stem"]([x[:1] for x in xs])
        with replace_gates(network, gates):
            of_sum = network["stem"]([x + other for x, other in zip(xs, others, strict=True)])
            sums = [a + b for a, b in zip(network["stem"](xs), network["stem"](others), strict=True)]
    close(of_sum, sums)


def test_gates_that_no_image_changes_can_be_their_mean(features: Features) -> None:
    network, xs = made(AFA), features()
    nn.init.zeros_(network["stem"].cam.P)
    nn.init.zeros_(network["stem"].sam.Q)
    with torch.no_grad():
        with record_gates(network, raw=True) as gates:
            own = network["stem"](xs)
        mean = {"stem": {kind: values.mean(0, keepdim=True) for kind, values in gates["stem"].items()}}
        with replace_gates(network, mean):
            close(network["stem"](xs), own)


def test_without_spatial_gates_afa_is_cam(features: Features) -> None:
    network, xs = made(AFA), features()
    layer = network["stem"]
    with torch.no_grad(), replace_gates(network, {"stem": layer.cam.gates(xs)}):
        close(layer(xs), layer.cam(xs))


def test_a_network_with_its_own_gates_answers_as_before_also_under_autocast() -> None:
    torch.manual_seed(0)
    branches = {
        task: nn.Sequential(OrderedDict(body=nn.Conv2d(3, 4, 3), head=nn.Conv2d(4, 2, 1))) for task in ("a", "b")
    }
    network = weave(branches, ["body"], AFA, example=(1, 3, 8, 8)).eval()
    images = torch.rand(2, 3, 8, 8)
    for precision in (torch.float32, torch.bfloat16):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision is torch.bfloat16):
            with record_gates(network, raw=True) as gates:
                own = network(images)
            with replace_gates(network, gates):
                replaced = network(images)
            with replace_gates(network, {name: {} for name in gates}):  # nothing is mixed
                apart = network(images)
        for task in own:
            tolerance = {} if precision is torch.float32 else {"rtol": 0.05, "atol": 0.05}
            assert_close(replaced[task], own[task], **tolerance)
            assert not torch.equal(apart[task], own[task])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_without_hidden_units_all_gates_are_equal(kind: Callable[..., Fusion], features: Features) -> None:
    network = made(kind)
    layer = network["stem"]
    for name, parameter in layer.named_parameters():
        if name.endswith(("conv.weight", "W.weight")):
            nn.init.constant_(parameter, -1.0)
    with torch.no_grad(), record_hidden(network) as hidden:
        layer([x.abs() for x in features()])
        gates = layer.gates([x.abs() for x in features()])
    assert hidden["stem"].keys() == gates.keys()
    for kind_of_gate, units in hidden["stem"].items():
        assert not units.any()
        assert gates[kind_of_gate].eq(0.5).all()


def test_gates_that_cannot_be_given_are_refused(features: Features) -> None:
    network = made(AFA)
    with pytest.raises(InputError, match="did you mean 'stem'"), replace_gates(network, {"stm": {}}):
        pass
    for kind in (CrossStitch, NDDR):
        with pytest.raises(InputError, match=f"{kind.__name__} cannot"), replace_gates(made(kind), {"stem": {}}):
            pass
    for name, shape in [
        ("channel", (1, 2, 2, 3, 1, 1)),
        ("spatial", (3, 2, 2, 1, 5, 6)),
        ("spatial", (1, 2, 2, 1, 5, 5)),
    ]:
        gates = {"stem": {name: torch.ones(shape)}}
        with pytest.raises(InputError, match=f"the {name} gates given"), replace_gates(network, gates):
            network["stem"](features())
