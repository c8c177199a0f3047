"""What is said of a layer agrees with what the layer does."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, NDDR, ChannelAggregation, CrossStitch, InputError, Pooled, SpatialAggregation, create_network
from afanet.fusion.base import Fusion
from afanet.fusion.inspect import cut_connection, flow, record_flow, record_gates
from afanet.fusion.meetings import fusion_layers

KINDS = [AFA, ChannelAggregation, SpatialAggregation, CrossStitch, NDDR]
C, SIZE, B = 5, (4, 3), 2


def make(kind: type[Fusion], tasks: int, **options: object) -> Fusion:
    torch.manual_seed(tasks)
    layer = kind(C, tasks, SIZE, **options).double().eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


def features(tasks: int) -> list[Tensor]:
    return [torch.randn(B, C, *SIZE, dtype=torch.float64) for _ in range(tasks)]


def cases() -> list[tuple[type[Fusion], int, dict[str, object]]]:
    actual = [(kind, tasks, {}) for kind in KINDS for tasks in (2, 3)]
    return actual + [(kind, 3, {"per_task": True}) for kind in KINDS[:3]]


@pytest.mark.parametrize(("kind", "tasks", "options"), cases())
def test_shares_are_not_negative_and_sum_to_one(kind: type[Fusion], tasks: int, options: dict[str, object]) -> None:
    xs = features(tasks)
    gates = make(kind, tasks, **options).gates(xs)
    for values in gates.values():
        assert values.shape[:3] == (B, tasks, tasks)
        assert values.min() >= -1e-12
        torch.testing.assert_close(values.sum(2), torch.ones_like(values.sum(2)))
    rows = flow(gates).sum(2)
    torch.testing.assert_close(rows, torch.ones_like(rows))


@pytest.mark.parametrize("tasks", [2, 3])
@pytest.mark.parametrize("per_task", [False, True])
def test_flow_is_the_mean_weight_that_outputs_have_on_sources(tasks: int, per_task: bool) -> None:
    """Directly: with its gates held, a layer is linear, and a source's features of one give what it weighs."""
    layer, xs = make(AFA, tasks, per_task=per_task), features(tasks)
    gates = layer.gates(xs)
    direct = torch.zeros(B, tasks, tasks, dtype=torch.float64)
    for source in range(tasks):
        ones = [torch.ones_like(x) if task == source else torch.zeros_like(x) for task, x in enumerate(xs)]
        between = [sum(gates["channel"][:, i, j] * ones[j] for j in range(tasks)) for i in range(tasks)]
        for to in range(tasks):
            weight = sum(gates["spatial"][:, to, i] * between[i] for i in range(tasks))
            direct[:, to, source] = weight.mean((1, 2, 3))
    torch.testing.assert_close(flow(gates), direct)


@pytest.mark.parametrize(("kind", "tasks", "options"), cases())
def test_what_is_carried_is_what_each_source_adds_to_an_output(
    kind: type[Fusion], tasks: int, options: dict[str, object]
) -> None:
    """Directly: with absolute weights held, the magnitudes of one source alone, pixel by pixel."""
    layer, xs = make(kind, tasks, **options), features(tasks)
    gates, told = layer.gates(xs), layer.carried(xs).double()
    added = torch.zeros(B, tasks, tasks, dtype=torch.float64)
    for image, to, source in product(range(B), range(tasks), range(tasks)):
        for channel, row, column in product(range(C), range(SIZE[0]), range(SIZE[1])):
            size = xs[source][image, channel, row, column].abs()
            if isinstance(layer, CrossStitch):
                weight = layer.alpha[to, source, channel, 0, 0].abs()
            elif isinstance(layer, NDDR):
                weight = layer.convs[to].weight[:, source * C + channel, 0, 0].abs().sum()
            else:
                one = torch.eye(tasks, dtype=torch.float64)
                c = gates["channel"][image, :, :, channel, 0, 0] if "channel" in gates else one
                s = gates["spatial"][image, :, :, 0, row, column] if "spatial" in gates else one
                weight = (s @ c)[to, source]
            added[image, to, source] += (weight * size).detach()
    torch.testing.assert_close(told, added / added.sum(2, keepdim=True), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(told.sum(2), torch.ones(B, tasks, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("kind", "tasks", "options"), cases())
def test_a_branch_without_features_gives_nothing(kind: type[Fusion], tasks: int, options: dict[str, object]) -> None:
    xs = features(tasks)
    layer = make(kind, tasks, **options)
    assert layer.carried([torch.zeros_like(xs[0]), *xs[1:]])[:, :, 0].eq(0).all()
    assert layer.carried([torch.zeros_like(x) for x in xs]).eq(0).all()


@pytest.mark.parametrize(("kind", "tasks", "options"), cases())
def test_a_cut_connection_carries_nothing(kind: type[Fusion], tasks: int, options: dict[str, object]) -> None:
    layer, xs = make(kind, tasks, **options), features(tasks)
    cut, whole = layer.cut(xs, 0, 1), layer(xs)
    for to in range(1, tasks):
        assert torch.equal(cut[to], whole[to])
    assert not torch.allclose(cut[0], whole[0])
    same = [xs[0], xs[0].clone(), *xs[2:]]  # who borrows what it has anyway loses nothing by a cut
    torch.testing.assert_close(layer.cut(same, 0, 1)[0], layer(same)[0])


@pytest.mark.parametrize("kind", KINDS[:3])
def test_with_all_connections_cut_a_task_keeps_its_own(kind: type[Fusion]) -> None:
    layer, xs = make(kind, 2), features(2)
    torch.testing.assert_close(layer.cut(xs, 1, 0)[1], xs[1])


@pytest.mark.parametrize("method", ["afa", "nddr", "cross_stitch"])
def test_a_networks_gates_are_recorded_and_its_connections_cut(method: str) -> None:
    torch.manual_seed(0)
    network = create_network(method, {"a": Pooled(2), "b": Pooled(3)}, "resnet18", size=(64, 64)).eval()
    images = torch.rand(2, 3, 64, 64)
    layers = list(fusion_layers(network))
    with torch.no_grad():
        plain = network(images)
        with record_gates(network) as gates, record_flow(network) as flows:
            recorded = network(images)
        with torch.autocast("cpu", torch.bfloat16), record_flow(network) as under_autocast:
            network(images)
        assert list(gates) == list(flows) == layers
        for shares in (*flows.values(), *under_autocast.values()):
            torch.testing.assert_close(shares.sum(2), torch.ones(2, 2))
        with cut_connection(network, layers[-1], to=0, source=1):
            cut = network(images)
        after = network(images)
    for task in plain:
        assert torch.equal(plain[task], recorded[task])
        assert torch.equal(plain[task], after[task])
    assert not torch.equal(plain["a"], cut["a"])
    assert torch.equal(plain["b"], cut["b"])


def test_what_cannot_be_looked_into_is_said() -> None:
    single = create_network("single", {"a": Pooled(2), "b": Pooled(3)}, "resnet18", size=(32, 32))
    with pytest.raises(InputError, match="no fusion layer"), record_gates(single):
        pass
    network = nn.ModuleDict({"stem": AFA(4, 2, (3, 3))})
    with pytest.raises(InputError, match="did you mean 'stem'"), cut_connection(network, "stm", 0, 1):
        pass
    for to, source in [(0, 0), (0, 2), (-1, 0)]:
        with pytest.raises(InputError, match="2 tasks meet"), cut_connection(network, "stem", to, source):
            pass
