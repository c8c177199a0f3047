"""A step with gradient checkpointing against one without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from afanet.data import Batch
from afanet.errors import InputError
from afanet.networks import Dense, Pooled, create_network
from afanet.tasks import Classification, Depth, Task
from afanet.training.checkpointing import check_checkpointing
from afanet.training.learner import Learner

from ..small import make_small

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}
SIZE = (32, 32)


def batch() -> Batch:
    torch.manual_seed(1)
    return {
        "image": torch.randn(2, 3, *SIZE),
        "targets": {"depth": torch.rand(2, 1, *SIZE), "age": torch.tensor([0, 1])},
        "id": ["one", "two"],
    }


def learner(
    on: bool, method: str = "afa", backbone: str = "resnet10t", freeze: str | None = None, **keys: Any
) -> Learner:
    torch.manual_seed(0)
    network = create_network(
        method, {"depth": Dense(1), "age": Pooled(2)}, backbone, size=SIZE, head="linear", freeze=freeze
    )
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.5
    recipe = make_small(
        **{
            "network.method": method,
            "network.backbone": backbone,
            "network.checkpointing": on,
            "optimizer.name": "sgd",
            "schedule.warmup": 0,
            **keys,
        }
    )
    made = Learner(Fabric(accelerator="cpu"), network, TASKS, recipe, 4)
    made.train()
    return made


@pytest.mark.parametrize(
    ("method", "backbone", "keys"),
    [
        ("afa", "resnet10t", {}),
        ("single", "tf_efficientnet_lite0", {}),
        ("mtan", "resnet10t", {"balancing.name": "pcgrad"}),  # a backward pass for each task
        ("hard", "resnet10t", {"precision": "bf16", "optimizer.accumulate": 2}),
        ("nddr", "resnet10t", {"freeze": "stages:1", "optimizer.ema": 0.5}),
        ("cross_stitch", "test_vit", {}),
    ],
)
def test_a_step_changes_the_network_as_one_without(method: str, backbone: str, keys: dict[str, Any]) -> None:
    plain, saving = (learner(on, method, backbone, **keys) for on in (False, True))
    count = plain.recipe.optimizer.accumulate
    assert torch.equal(plain.learn([batch()] * count)[0], saving.learn([batch()] * count)[0])
    expected = plain.state()
    # Everything, so also the statistics of batch norms and how many batches they have counted.
    torch.testing.assert_close(saving.state()["network"], expected["network"], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(saving.state()["average"], expected["average"], rtol=1e-5, atol=1e-7)


def kept(network: Learner) -> int:
    """Bytes that a forward pass keeps for the backward pass."""
    found: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        found[x.data_ptr()] = x.untyped_storage().nbytes()
        return x

    with saved_tensors_hooks(note, lambda x: x):
        network.losses(batch())
    return sum(found.values())


def test_less_is_kept_for_the_backward_pass() -> None:
    assert kept(learner(True)) < 0.8 * kept(learner(False))


def test_each_block_is_found_once() -> None:
    hard, single = (learner(True, method).network for method in ("hard", "single"))
    assert hard.blocks == [f"branches.depth.backbone.layer{stage}.0" for stage in (1, 2, 3, 4)]
    assert len(single.blocks) == 2 * len(hard.blocks)


def test_cosines_and_answers_are_those_without() -> None:
    plain, saving = learner(False), learner(True)
    assert plain.cosines(batch()) == pytest.approx(saving.cosines(batch()), rel=1e-4)
    torch.testing.assert_close(plain.state()["network"], saving.state()["network"])
    assert not any("forward" in vars(module) for module in saving.network.modules())


def test_it_is_refused_where_it_cannot_be() -> None:
    network = learner(False).network
    with pytest.raises(InputError, match="compile itself decides"):
        check_checkpointing(make_small(**{"network.checkpointing": True, "network.compile": True}), network)
    network.blocks = []
    with pytest.raises(InputError, match="no blocks"):
        check_checkpointing(make_small(**{"network.checkpointing": True}), network)
    check_checkpointing(make_small(), network)
