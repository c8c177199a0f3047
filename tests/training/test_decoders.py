"""Methods with a decoder, and sluice, under what training offers: checkpointing, frozen parts and adapters."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric

from afanet.data import Batch
from afanet.networks import Dense, create_network, merged
from afanet.networks.methods import METHODS
from afanet.networks.woven import Woven
from afanet.tasks import Depth, Normals, Task
from afanet.training.learner import Learner
from afanet.training.optimisation import part_of

from ..relatives import relatives
from ..small import make_small

SIZE = (24, 32)
TASKS: dict[str, Task] = {"depth": Depth(), "normals": Normals()}
DECODERS = [name for name in METHODS.own if METHODS[name].decoder]
METHOD_NAMES = ["sluice", *DECODERS]
ONE_BACKBONE = [name for name in METHOD_NAMES if METHODS[name].share]
pytestmark = pytest.mark.usefixtures("narrow")


@cache
def network(method: str, freeze: str | None = None, adapters: bool = False) -> Woven:
    """A network of the method; not to be changed."""
    torch.manual_seed(0)
    outputs = {name: Dense(task.output.channels) for name, task in TASKS.items()}
    lora = {"rank": 2, "where": "all"} if adapters else None
    return create_network(method, outputs, "test_resnet", size=SIZE, head="linear", freeze=freeze, lora=lora)


def learner(made: Woven, method: str, **keys: Any) -> Learner:
    plain = {"network.method": method, "network.backbone": "test_resnet", "data.size": list(SIZE)}
    recipe = make_small(**plain, **{"optimizer.name": "sgd", "schedule.warmup": 0, **keys})
    learning = Learner(Fabric(accelerator="cpu"), copy.deepcopy(made), TASKS, recipe, 4)
    learning.train()
    return learning


def batch() -> Batch:
    rng = torch.Generator().manual_seed(1)
    normals = torch.nn.functional.normalize(torch.randn(2, 3, *SIZE, generator=rng), dim=1)
    depth = torch.rand(2, 1, *SIZE, generator=rng) + 0.5
    images = torch.randn(2, 3, *SIZE, generator=rng)
    return {"image": images, "targets": {"depth": depth, "normals": normals}, "id": ["one", "two"]}


def moved(made: Woven, method: str, **keys: Any) -> set[str]:
    """The names of the tensors that a step changes."""
    before = made.state_dict()
    learning = learner(made, method, **keys)
    learning.learn([batch()])
    return {name for name, tensor in learning.network.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("method", relatives(METHOD_NAMES, ["cgc", "pad_net"]))
def test_a_step_with_checkpointing_is_one_without(method: str) -> None:
    made = network(method)
    bodies = {"cgc": 3, "mmoe": 2, "sluice": 2}.get(method, 1)
    assert len(made.blocks) == 4 * bodies
    plain, saving = (learner(made, method, **{"network.checkpointing": on}) for on in (False, True))
    assert torch.equal(plain.learn([batch()])[0], saving.learn([batch()])[0])
    torch.testing.assert_close(saving.state()["network"], plain.state()["network"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", relatives(["sluice", *ONE_BACKBONE], ["pad_net"]))
def test_a_frozen_trunk_computes_once_and_the_rest_learns(method: str) -> None:
    made = network(method, freeze="backbone")
    assert made.trunk is not None
    assert {part_of(name) for name in moved(made, method)} == {"fusion", "head"}


@pytest.mark.parametrize("method", relatives(METHOD_NAMES, ["cgc", "pad_net"]))
def test_a_task_that_is_frozen_stays_and_the_others_learn(method: str) -> None:
    changed = moved(network(method, freeze="task:depth"), method)
    assert not any(name.startswith(("branches.depth.head", "fusion.depth")) for name in changed)
    assert METHODS[method].share == any(name.startswith("branches.depth.backbone") for name in changed)
    assert any(name.startswith("branches.normals.head") for name in changed)


@pytest.mark.parametrize("method", relatives(METHOD_NAMES, ["cgc"]))
def test_adapters_learn_on_a_frozen_backbone_and_merge(method: str) -> None:
    pytest.importorskip("peft")
    made = network(method, adapters=True)
    assert made.adapters is not None
    assert made.adapters.by == ("shared" if METHODS[method].share else "task")
    learning = learner(made, method)
    learning.learn([batch()])
    before, after = made.state_dict(), learning.network.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert {part_of(name) for name in changed} == {"backbone", "fusion", "head"}
    assert all("lora_" in name for name in changed if part_of(name) == "backbone")
    image = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        plain = learning.network.eval()(image)
        for task, output in merged(learning.network)(image).items():
            torch.testing.assert_close(output, plain[task], rtol=1e-4, atol=1e-6)
