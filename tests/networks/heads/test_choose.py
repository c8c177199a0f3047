"""Which head a task gets: by name for all, by task, by the output and the backbone."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.backbones import Backbone
from afanet.networks.heads.choose import Named, default_head, named_heads
from afanet.networks.heads.deeplabv3plus import DeepLabV3Plus
from afanet.networks.heads.dpt import DPT
from afanet.networks.heads.fpn import FPN
from afanet.networks.heads.linear import DenseLinear, PooledLinear
from afanet.networks.heads.mlp import MLP

OUTPUTS = {"depth": Dense(1), "normals": Dense(3), "scene": Pooled(5)}
small = partial(create_network, outputs=OUTPUTS, backbone="test_resnet", size=(64, 96))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (None, (DeepLabV3Plus, DeepLabV3Plus, PooledLinear)),
        ("deeplab", (DeepLabV3Plus, DeepLabV3Plus, PooledLinear)),
        ("mlp", (MLP, MLP, PooledLinear)),
        ("linear", (DenseLinear, DenseLinear, PooledLinear)),
        ({"normals": "fpn"}, (DeepLabV3Plus, FPN, PooledLinear)),
        ({"depth": "linear", "normals": "dpt", "scene": "linear"}, (DenseLinear, DPT, PooledLinear)),
    ],
)
@pytest.mark.parametrize("method", ["hard", "mtan", "afa"])
def test_each_task_gets_the_head_that_is_named(method: str, head: Named, expected: tuple[type, ...]) -> None:
    network = small(method, head=head)
    heads = [network.get_submodule(f"branches.{task}.head") for task in OUTPUTS]
    assert tuple(map(type, heads)) == expected
    shapes = {task: tuple(y.shape) for task, y in network(torch.rand(2, 3, 70, 90)).items()}
    assert shapes == {"depth": (2, 1, 70, 90), "normals": (2, 3, 70, 90), "scene": (2, 5)}


def test_the_earlier_name_is_the_same_network() -> None:
    torch.manual_seed(0)
    earlier = small("hard", head="deeplab").state_dict()
    torch.manual_seed(0)
    now = small("hard", head=None).state_dict()
    assert list(earlier) == list(now)
    assert all(torch.equal(earlier[key], now[key]) for key in now)


@pytest.mark.parametrize(("plain", "dense"), [(True, DPT), (False, DeepLabV3Plus)])
def test_a_plain_backbone_gets_a_head_that_makes_a_pyramid(plain: bool, dense: type) -> None:
    assert default_head(Dense(1), plain) is dense
    assert default_head(Pooled(1), plain) is PooledLinear


def test_the_default_is_by_the_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backbone, "plain", True)
    network = small("single", head={"normals": "mlp"})
    assert [type(network.get_submodule(f"branches.{task}.head")) for task in OUTPUTS] == [DPT, MLP, PooledLinear]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("dtp", "unknown head 'dtp', did you mean 'dpt'"),
        ({"scene": "dpt"}, "head 'dpt' gives dense outputs, but task 'scene' has a pooled one: choose linear"),
        ({"dept": "dpt"}, "unknown task under head 'dept', did you mean 'depth'"),
        ({"depth": 3}, "head of task 'depth' is 3, expected a name such as 'linear'"),
        (3, "head is 3, expected a name such as 'linear'"),
    ],
)
def test_what_names_no_head_is_refused(head: Named, message: str) -> None:
    with pytest.raises(InputError, match=message):
        named_heads(head, OUTPUTS)


def test_a_head_that_needs_four_taps_is_refused_on_a_backbone_with_fewer() -> None:
    with pytest.raises(InputError, match=r"head dpt needs 4 taps, but the backbone gives 3: .* linear, mlp or fpn"):
        create_network("single", OUTPUTS, "efficientvit_m0", output_stride=32, head="dpt")
