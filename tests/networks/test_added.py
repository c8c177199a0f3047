"""Tasks that join others one way: those before them give, and are as they were."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from afanet import (
    Dense,
    Fusion,
    InputError,
    Pooled,
    create_network,
    cut_connection,
    record_flow,
    record_gates,
    register_method,
)
from afanet.fusion.meetings import connections
from afanet.networks.freezing import Freezing
from afanet.networks.methods import METHODS
from afanet.networks.woven import Woven

OLD = {"segmentation": Dense(3), "depth": Dense(1)}
NEW = {"normals": Dense(3), "scene": Pooled(4)}
SIZE = (32, 48)
FUSED = [name for name in METHODS.own if METHODS[name].fusion]


def make(method: str, outputs: dict[str, Any], added: Any = None, backbone: str = "test_resnet") -> Woven:
    torch.manual_seed(0)
    return create_network(method, outputs, backbone, size=SIZE, added=added, head="linear")


def grown(method: str, backbone: str = "test_resnet") -> tuple[Woven, Woven]:
    """A network of the old tasks, and one with new tasks that begins with its weights."""
    before = make(method, OLD, backbone=backbone)
    after = make(method, OLD | NEW, [["normals"], ["scene"]] if method in FUSED else None, backbone)
    missing, unexpected = after.load_state_dict(before.state_dict(), strict=False)
    assert not unexpected
    assert all("normals" in name or "scene" in name for name in missing)
    return before, after


def one_step(network: Woven, tasks: list[str], images: torch.Tensor) -> None:
    """Learn something large in everything that learns, and move the running statistics."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.5)
    network.train()
    sum(output.square().mean() for output in network(images, tasks=tasks).values()).backward()
    optimizer.step()


@pytest.mark.parametrize("method", [name for name in METHODS.own if not METHODS[name].decoder])
def test_the_outputs_of_old_tasks_are_the_same_bit_for_bit_after_new_ones_learnt(method: str) -> None:
    before, after = grown(method)
    Freezing(after, {"old": None}, old=list(OLD)).apply(0)
    images = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        fresh = after.eval()(images)
    one_step(after, list(NEW), torch.rand(4, 3, *SIZE))
    with torch.no_grad():
        outputs, expected = after.eval()(images), before.eval()(images)
    assert all(torch.equal(outputs[task], expected[task]) for task in OLD)
    assert not any(torch.equal(outputs[task], fresh[task]) for task in NEW)
    assert all(parameter.grad is None for parameter in after.parameters() if not parameter.requires_grad)


def test_tokens_of_branches_that_run_as_coroutines_join_one_way_too() -> None:
    pytest.importorskip("greenlet")
    before, after = grown("afa", "test_vit")
    images = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        outputs, expected = after.eval()(images), before.eval()(images)
    assert all(torch.equal(outputs[task], expected[task]) for task in OLD)


@pytest.mark.parametrize("method", FUSED)
def test_new_tasks_take_from_those_before_them_and_give_nothing(method: str) -> None:
    network = make(method, OLD | NEW, [["normals"], ["scene"]]).eval()
    images = torch.rand(2, 3, *SIZE)
    outputs = network(images)
    reached = {
        task: {
            name.split(".")[1]
            for name, gradient in zip(
                names(network),
                torch.autograd.grad(y.sum(), list(network.parameters()), retain_graph=True, allow_unused=True),
                strict=True,
            )
            if gradient is not None and name.startswith("branches.")
        }
        for task, y in outputs.items()
    }
    assert reached["segmentation"] == reached["depth"] == set(OLD)
    assert reached["normals"] == {*OLD, "normals"}
    assert reached["scene"] == {*OLD, *NEW}


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit"])
def test_old_tasks_alone_need_nothing_of_those_that_joined(backbone: str) -> None:
    if backbone == "test_vit":
        pytest.importorskip("greenlet")
    network = make("afa", OLD | NEW, [["normals"], ["scene"]], backbone).eval()
    images = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        whole, some = network(images), network(images, tasks=list(OLD))
        new = network(images, tasks=["normals"])["normals"]
    assert all(torch.equal(some[task], whole[task]) for task in OLD)
    assert torch.equal(new, whole["normals"])
    assert not re.search("normals|scene", network.code_for(list(OLD)))
    assert "branches.scene" not in network.code_for(["normals"])


def names(network: nn.Module) -> list[str]:
    return [name for name, _ in network.named_parameters()]


def test_who_takes_nothing_at_a_layer_keeps_its_own() -> None:
    network = make("afa", OLD | NEW, [["normals"], ["scene"]]).eval()
    pairs = connections(network)
    first, second, third = pairs
    assert pairs[first] == [(0, 1), (1, 0)]
    assert pairs[second] == [(2, 0), (2, 1)]
    assert pairs[third] == [(3, 0), (3, 1), (3, 2)]
    with record_gates(network) as gates, record_flow(network) as flows, torch.no_grad():
        network(torch.rand(2, 3, *SIZE))
    for layer, readers in ((first, {0, 1}), (second, {2}), (third, {3})):
        assert flows[layer].shape == (2, 4, 4)
        for values in (*gates[layer].values(), flows[layer]):
            assert torch.allclose(values.sum(2), torch.ones(()), atol=1e-5)
            for task in range(4):
                own = values[:, task, task]
                assert bool((own == 1).all()) == (task not in readers)
    assert (flows[second][:, 2, 3] == 0).all()  # which is not there yet


def test_a_connection_of_a_task_that_joined_can_be_cut_and_no_other() -> None:
    network = make("cross_stitch", OLD | NEW, [["normals"], ["scene"]]).eval()
    layer = list(connections(network))[-1]
    images = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        whole = network(images)
        with cut_connection(network, layer, to=3, source=2):
            cut = network(images)
    assert [task for task in whole if not torch.equal(whole[task], cut[task])] == ["scene"]
    with (
        pytest.raises(InputError, match="expected two of 0 to 3, of which 3 take"),
        cut_connection(network, layer, to=0, source=1),
    ):
        pass


@pytest.mark.parametrize("added", [[["depth"]], [["normals"]], [[]], [["segmentation", "depth", "normals", "scene"]]])
def test_groups_must_be_the_last_tasks(added: Any) -> None:
    with pytest.raises(InputError, match="expected groups of the last tasks"):
        make("afa", OLD | NEW, added)


def test_a_layer_that_cannot_be_told_who_reads_is_refused() -> None:
    class Deaf(Fusion):
        """Takes no readers."""

        def __init__(self, channels: int, tasks: int = 2, size: Any = None) -> None:
            super().__init__(channels, tasks, size)

        def fuse(self, xs: Any) -> list[torch.Tensor]:
            return list(xs)

    register_method("deaf", Deaf)
    with pytest.raises(InputError, match="Deaf takes no readers, so normals cannot join the others one way: take"):
        make("deaf", OLD | NEW, [["normals"], ["scene"]])
