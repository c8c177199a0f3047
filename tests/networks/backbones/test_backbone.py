"""Backbones compute what timm's networks do, with features at the stride that was asked for."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from afanet import InputError
from afanet.networks.backbones import Backbone
from afanet.networks.backbones.plan import plan_backbone


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet18", 64),
        ("convnext_atto", 64),
        ("mobilenetv3_small_050", 64),
        ("mobilenetv2_050", 64),
        ("densenet121", 64),
        ("regnety_002", 64),
        ("swin_tiny_patch4_window7_224", 64),
    ],
)
def test_features_are_those_of_the_timm_network(name: str, size: int) -> None:
    backbone = Backbone(name, size=(size, size)).eval()
    options = {"img_size": size} if "swin" in name else {}
    theirs = timm.create_model(name, features_only=True, **options).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), backbone.state_dict().values(), strict=True)))
    image = torch.rand(1, 3, size, size)
    maps = theirs(image)
    maps = [x.permute(0, 3, 1, 2) for x in maps] if "swin" in name else maps
    low, high = backbone(image)
    assert torch.equal(high, maps[-1])
    assert any(x.shape == low.shape and torch.equal(low, x) for x in maps)
    assert (low.shape[1], high.shape[1]) == (backbone.given[0].channels, backbone.given[-1].channels)
    assert (low.shape[-1], high.shape[-1]) == (size // 4, size // 32)


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_the_last_features_have_the_output_stride(stride: int) -> None:
    low, high = Backbone("resnet18", output_stride=stride).eval()(torch.rand(1, 3, 64, 96))
    assert low.shape[-2:] == (16, 24)
    assert high.shape[-2:] == (64 // stride, 96 // stride)


@pytest.mark.parametrize(("stride", "dilations"), [(16, [2, 4, 8]), (8, [4, 8, 16])])
def test_a_multi_grid_dilates_the_last_blocks(stride: int, dilations: list[int]) -> None:
    backbone = Backbone("resnet50", output_stride=stride, multi_grid=(1, 2, 4))
    convs = [
        [conv for conv in backbone.get_submodule(block).modules() if isinstance(conv, nn.Conv2d)]
        for block in backbone.blocks[-1]
    ]
    wide = [[conv.dilation for conv in block if conv.kernel_size == (3, 3)] for block in convs]
    assert wide == [[(dilation, dilation)] for dilation in dilations]


def test_stages_meet_after_the_tap_for_the_decoder() -> None:
    backbone = Backbone("resnet18")
    assert backbone.stages == ["after_layer1", "layer2", "layer3", "layer4"]
    assert list(backbone._modules).index("after_layer1") == list(backbone._modules).index("layer1") + 1
    assert list(backbone.state_dict()) == [k for k in timm.create_model("resnet18").state_dict() if k[:3] != "fc."]


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("convnext_atto", ["stages_3.blocks.0", "stages_3.blocks.1"]),
        ("swin_tiny_patch4_window7_224", ["layers_3.blocks.0", "layers_3.blocks.1"]),
        ("regnety_002", ["s4.b1", "s4.b2", "s4.b3", "s4.b4", "s4.b5", "s4.b6", "s4.b7"]),
    ],
)
def test_the_last_stages_blocks(name: str, blocks: list[str]) -> None:
    assert Backbone(name, size=(64, 64)).blocks[-1] == blocks


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet81", {}, "unknown backbone 'resnet81', did you mean 'resnet1"),
        ("resnet18", {"multi_grid": (1, 2, 4)}, "has 3 factors, but the last stage of 'resnet18' has 2 blocks"),
        ("resnet18", {"multi_grid": (1, 2)}, "cannot have a multi-grid: its last stage is strided"),
    ],
)
def test_what_a_backbone_cannot_do_is_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Backbone(name, **options)


@pytest.mark.parametrize(
    ("name", "stride"), [("test_vit", 16), ("swin_tiny_patch4_window7_224", 32), ("densenet121", 32)]
)
def test_an_output_stride_that_cannot_be_had_is_noted(name: str, stride: int) -> None:
    backbone = Backbone(name, output_stride=8, size=(64, 64))
    assert backbone.given[-1].stride == stride
    assert backbone.notes == [
        f"{name}: an output stride of 8 is not possible, the last features have a stride of {stride}"
    ]


def test_an_output_stride_that_can_be_had_is_not_noted() -> None:
    assert Backbone("resnet18", output_stride=8).notes == Backbone("test_vit", output_stride=16).notes == []


def test_planning_draws_no_random_numbers() -> None:
    plan_backbone.cache_clear()
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        weights.append(Backbone("resnet18").conv1.weight)
    assert torch.equal(*weights)


@pytest.mark.parametrize("name", ["dla46x_c", "csatv2"])
def test_networks_that_break_on_odd_sizes_have_a_multiple(name: str) -> None:
    backbone = Backbone(name, size=(50, 75), takes=None).eval()
    padding = backbone.padding()
    assert padding is not None
    with torch.no_grad():
        features = backbone(padding(torch.rand(1, 3, 50, 75)))
    assert [x.shape[1] for x in features] == [stage.channels for stage in backbone.given]


def test_pretrained_weights_that_timm_does_not_have_are_one_sentence() -> None:
    with pytest.raises(InputError, match=r"^timm has no pretrained weights of 'vit_small_patch16_36x1_224': give a"):
        Backbone("vit_small_patch16_36x1_224", weights="pretrained")


def test_weights_that_cannot_be_had_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match=r"pretrained weights of 'resnet18' could not be loaded.*give a local file"):
        Backbone("resnet18", weights="pretrained")
