"""Adapters begin as the identity, train alone, hold the frozen trunk once, and merge into what they were put on."""

from __future__ import annotations

import io
import pickle
import sys
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet import AFA, Dense, InputError, Pooled, create_network
from afanet.networks import Lora, merged
from afanet.networks.lora.adapt import has_adapters
from afanet.networks.lora.injected import inject
from afanet.networks.lora.layers import adaptable
from afanet.networks.woven import Woven

SIZE = (64, 64)
OUTPUTS = {"depth": Dense(1), "scene": Pooled(5)}
RANK = 3
make = partial(create_network, outputs=OUTPUTS, backbone="test_resnet", size=SIZE, head="linear")
ADAPTED = [  # method, by, trunk
    ("hard", "shared", None),
    ("hard", "task", None),
    ("hard", None, 2),
    ("single", "task", None),
    ("mtan", "shared", None),
    ("afa", "task", None),
    ("afa", "task", 2),
    ("nddr", "shared", None),
    ("cross_stitch", "task", None),
]


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@cache
def begun(method: str, by: str | None, trunk: int | None) -> Woven:
    """A network with adapters on every layer, before it has learnt anything; not to be changed."""
    torch.manual_seed(0)
    return make(method, trunk=trunk, lora={"rank": RANK, "by": by, "where": "all"}).eval()


def adapt(method: str, by: str | None, trunk: int | None, learnt: bool = True) -> Woven:
    """A network with adapters on every layer, as after some training."""
    network = deepcopy(begun(method, by, trunk))
    torch.manual_seed(2)
    if learnt:
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
    return network


def plain(network: Woven, method: str) -> Woven:
    """The network without adapters, with the same weights everywhere else."""
    bare = make(method).eval()
    state = {name.replace(".base_layer.", "."): tensor for name, tensor in network.state_dict().items()}
    bare.load_state_dict({name: tensor for name, tensor in state.items() if "lora" not in name})
    return bare


@pytest.mark.parametrize(
    ("method", "by", "bare"),
    [("hard", "shared", "hard"), ("hard", "task", "single"), ("mtan", "shared", "mtan"), ("afa", "task", "afa")],
)
def test_at_first_they_change_nothing(method: str, by: str, bare: str, image: Tensor) -> None:
    network = adapt(method, by, None, learnt=False)
    before = plain(network, bare)(image)
    assert {task: bool((output == before[task]).all()) for task, output in network(image).items()} == {
        "depth": True,
        "scene": True,
    }


@pytest.mark.parametrize(
    ("method", "by", "trunk", "dtype"),
    [*((*row, torch.float64) for row in ADAPTED), ("afa", "task", None, torch.float32)],
)
def test_merged_is_the_same_function_without_adapters(
    method: str, by: str | None, trunk: int | None, dtype: torch.dtype, image: Tensor
) -> None:
    network = adapt(method, by, trunk).to(dtype)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    alone = merged(network)
    assert has_adapters(network)
    assert not any(type(module).__module__.startswith("peft") for module in alone.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    learnt, untrained = network(image.to(dtype)), adapt(method, by, trunk, learnt=False).to(dtype)(image.to(dtype))
    bound = 1e-5 if dtype == torch.float32 else 1e-12
    for task, output in alone(image.to(dtype)).items():
        largest = learnt[task].abs().max()
        assert (learnt[task] - untrained[task]).abs().max() > 1e-3 * largest
        assert (output - learnt[task]).abs().max() < bound * largest


@pytest.mark.parametrize(("by", "sets"), [("shared", 1), ("task", 2)])
def test_a_layer_trains_rank_times_its_inputs_and_outputs(by: str, sets: int) -> None:
    network, bare = adapt("afa", by, None), make("afa")
    layers = [
        module
        for module in bare.branches.get_submodule("depth.backbone").modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    ]
    assert layers
    expected = sets * sum(RANK * (layer.in_channels + layer.out_channels) for layer in layers)
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert sum(p.numel() for name, p in trained.items() if ".backbone." in name and "branches" in name) == expected
    trunks = tuple(f"branches.{task}.backbone" for task in OUTPUTS)
    others = {name for name, _ in bare.named_parameters() if not name.startswith(trunks)}
    assert {name for name in trained if "lora" not in name} == others


@pytest.mark.parametrize(("method", "by", "trunk"), ADAPTED)
def test_a_frozen_trunk_is_held_once(method: str, by: str | None, trunk: int | None) -> None:
    network = adapt(method, by, trunk)
    frozen = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if ".backbone." in name and name.startswith("branches") and "lora" not in name
    }
    first = {name: tensor for name, tensor in frozen.items() if name.startswith("branches.depth.")}
    for name, tensor in frozen.items():
        assert tensor.data_ptr() == first[name.replace("branches.scene.", "branches.depth.")].data_ptr()
    for again in (network, deepcopy(network), pickle.loads(pickle.dumps(network))):
        file = io.BytesIO()
        torch.save(again.state_dict(), file)
        once = sum(tensor.nbytes for tensor in [*again.parameters(), *again.buffers()])
        assert file.tell() < once + 600 * len(network.state_dict())  # and the names


def test_tasks_have_adapters_of_their_own_or_the_same(image: Tensor) -> None:
    for by, same in (("task", False), ("shared", True)):
        network = adapt("afa", by, None)
        names = [name for name, _ in network.branches.get_submodule("depth").named_parameters() if "lora" in name]
        for name in names:
            ours, theirs = (network.get_parameter(f"branches.{task}.{name}") for task in OUTPUTS)
            assert (ours is theirs) == same
            if not same:
                assert not torch.equal(ours, theirs)
    network = adapt("single", "task", None)
    network(image)["scene"].sum().backward()
    reached = {name.split(".")[1] for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert reached == {"scene"}


@pytest.mark.parametrize(("method", "by", "trunk"), ADAPTED)
def test_every_trained_tensor_learns_and_no_other(method: str, by: str | None, trunk: int | None) -> None:
    network = adapt(method, by, trunk).train()
    trunk = network.branches.get_submodule("depth.backbone")
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    sum(output.square().mean() for output in network(torch.rand(2, 3, *SIZE)).values()).backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for parameter in network.parameters())
    optimizer.step()
    network(torch.rand(2, 3, *SIZE))
    changed = {name for name, tensor in trunk.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)  # and no statistics of norms


def test_a_copy_and_a_pickle_compute_the_same(image: Tensor) -> None:
    network = adapt("afa", "task", None)
    for again in (deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(again(image)["depth"], network(image)["depth"])
        assert again.adapters == network.adapters


class Reading(nn.Module):
    """A linear layer whose weight is read, as BEiT's and Swin V2's attention do."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(3, 4)

    def forward(self, image: Tensor) -> Tensor:
        return F.linear(image, self.qkv.weight, 2 * self.qkv.bias)


def test_a_layer_whose_weight_is_read_is_adapted_too() -> None:
    network = Reading().double().requires_grad_(False)
    x = torch.rand(5, 3, dtype=torch.float64)
    before = network(x)
    inject(network, adaptable(network, "it", "all", (1, 3)), RANK)
    assert torch.equal(network(x), before)
    network.qkv.lora_B["default"].weight.data.normal_()
    network(x).sum().backward()
    assert network.qkv.lora_A["default"].weight.grad.abs().sum() > 0
    a, b = (part["default"].weight for part in (network.qkv.lora_A, network.qkv.lora_B))
    assert torch.allclose(network(x), before + x @ (b @ a).T, rtol=0, atol=1e-14)
    assert torch.allclose(merged(network)(x), network(x), rtol=0, atol=1e-14)
    assert torch.equal(pickle.loads(pickle.dumps(network))(x), network(x))


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("single", {"lora": {"by": "shared"}}, "'single' cannot have adapters by 'shared', expected lora.by task"),
        ("mtan", {"lora": {"by": "task"}}, "'mtan' cannot have adapters by 'task', expected lora.by shared"),
        ("hard", {"lora": {"rank": 0}}, "lora rank is 0, expected a whole number from 1"),
        ("hard", {"lora": {"rank": True}}, "lora rank is True"),
        ("hard", {"lora": {"ranks": 4}}, "unknown key of lora 'ranks', did you mean 'rank'"),
        ("hard", {"lora": {"where": "attn"}}, "unknown lora where 'attn'"),
        ("hard", {"lora": 16}, "lora is 16, expected a mapping"),
        ("hard", {"lora": {}}, "no attention.*expected network.lora.where all"),
        ("hard", {"lora": {"where": "all"}, "freeze": "backbone"}, "expected no freeze='backbone' beside it"),
    ],
)
def test_what_cannot_be_is_refused(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make(method, **options)


def test_without_peft_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "peft" or name.endswith("lora.injected")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"network.lora needs peft: peft is missing.*: pip install '?peft"):
        make("hard", lora=Lora(4, where="all"))


def test_fusion_layers_stay_between_adapted_branches() -> None:
    network = adapt("afa", "task", None)
    assert [type(layer) for layer in network.fusion.modules() if isinstance(layer, AFA)]
    said = "lora: rank 3 on 5 layers of test_resnet, its linear layers and 1x1 convolutions; the rest is frozen"
    assert network.weights_report == said
