"""Networks that run as a whole give what timm's `forward_intermediates` gives, and every parameter learns."""

from __future__ import annotations

import pytest
import timm
import torch

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.backbones import Backbone, whole
from afanet.networks.backbones.plan import plan_backbone


@pytest.mark.parametrize(
    ("name", "norm"), [("test_vit", True), ("test_vit3", True), ("xcit_nano_12_p16_224", True), ("pit_ti_224", False)]
)
def test_features_are_those_of_timm(name: str, norm: bool) -> None:
    torch.manual_seed(0)
    backbone = Backbone(name, size=(64, 64), takes=None).eval()
    options = {"img_size": 64} if "xcit" not in name else {}
    theirs = timm.create_model(name, num_classes=0, **options).eval()
    theirs.load_state_dict(backbone.model.state_dict(), strict=False)
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        features = backbone(image)
        every = theirs.forward_intermediates(image, norm=norm, output_fmt="NCHW", intermediates_only=True)
    numbers = [int(stage.rpartition(".")[2]) for stage in backbone.stages]
    assert len(features) == len(numbers)
    for x, number in zip(features, numbers, strict=True):
        assert torch.equal(x, every[number])


@pytest.mark.parametrize("name", ["test_vit", "vit_tiny_patch16_dinov3_qkvb", "pit_ti_224", "hrnet_w18_small"])
def test_every_parameter_that_matters_has_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    backbone = Backbone(name, size=(64, 64), takes=None).train()
    sum(x.square().mean() * (i + 1) for i, x in enumerate(backbone(torch.rand(2, 3, 64, 64)))).backward()
    without = [key for key, parameter in backbone.named_parameters() if parameter.grad is None]
    # what timm keeps of a classifier's head
    assert all(key.startswith(("model.incre_modules.0", "model.head")) for key in without)


def test_positions_are_interpolated_for_other_sizes() -> None:
    backbone = Backbone("test_vit", size=(64, 96)).eval()
    with torch.no_grad():
        assert [tuple(x.shape[2:]) for x in backbone(torch.rand(1, 3, 160, 64))] == [(10, 4)] * 2


def test_taps_are_chosen() -> None:
    backbone = Backbone("test_vit", size=(64, 64), taps=[1, 4], takes=None)
    assert backbone.stages == ["model.blocks.1", "model.blocks.4"]
    assert backbone.blocks == [[f"model.blocks.{i}" for i in blocks] for blocks in ((0, 1), (2, 3, 4))]
    assert len(backbone(torch.rand(1, 3, 64, 64))) == len(backbone.given) == 2
    assert not any(key.startswith("model.blocks.5.") for key in backbone.state_dict())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("test_vit", {"taps": [2, 6]}, r"taps=\[2, 6\], but 'test_vit' has 6 blocks: expected numbers from 0 to 5"),
        ("test_vit", {"taps": [3, 1]}, "each larger than the one before"),
        ("test_vit", {"taps": []}, "expected numbers from 0 to 5"),
        ("pit_ti_224", {"taps": [0]}, "'pit_ti_224' has stages, all of which are taken: leave taps out"),
        ("resnet18", {"taps": [0]}, "'resnet18' has stages, all of which are taken: leave taps out"),
        ("test_vit", {"size": (12, 40)}, "has patches of 16 pixels, larger than images of 12x40: use larger"),
        ("efficientformer_l1", {"size": (225, 64)}, "takes images of 224x224 only .*, but these have 225x64: use"),
        ("test_vit", {"multi_grid": (1, 2)}, "cannot have a multi-grid"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Backbone(name, **options)


def test_a_network_without_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(timm.models.vision_transformer.VisionTransformer, "forward_intermediates")
    with pytest.raises(InputError, match=r"'test_vit2' has no stages or blocks that give features: use one that"):
        Backbone("test_vit2", size=(64, 64))


@pytest.mark.parametrize("method", ["afa", "cross_stitch", "nddr"])
def test_branches_meet_after_blocks_of_tokens(method: str) -> None:
    pytest.importorskip("greenlet")
    torch.manual_seed(0)
    outputs = {"depth": Dense(1), "scene": Pooled(4)}
    network = create_network(method, outputs, "test_vit", size=(64, 96), output_stride=16)
    results = network(torch.rand(2, 3, 64, 96))
    assert {task: tuple(y.shape) for task, y in results.items()} == {"depth": (2, 1, 64, 96), "scene": (2, 4)}
    sum(y.square().mean() for y in results.values()).backward()
    assert all(parameter.grad is not None for parameter in network.fusion.parameters())


def test_stages_that_are_no_layers_are_no_meeting_points() -> None:
    outputs = {"depth": Dense(1), "scene": Pooled(4)}
    with pytest.raises(InputError, match=r"'afa' cannot meet in backbone 'hrnet_w18_small', .*: use single, hard,"):
        create_network("afa", outputs, "hrnet_w18_small", size=(64, 64))
    with pytest.raises(InputError, match="trunk=1, but branches cannot part after the stages of 'hrnet_w18_small'"):
        create_network("hard", outputs, "hrnet_w18_small", size=(64, 64), trunk=1)


def test_layers_that_tell_nothing_of_their_pixels_are_no_meeting_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "layouts_of_stages", lambda *_: {})
    plan_backbone.cache_clear()
    with pytest.raises(InputError, match=r"'afa' cannot meet in backbone 'levit_128s', .*: use single, hard,") as info:
        create_network("afa", {"a": Pooled(2), "b": Pooled(3)}, "levit_128s", size=(64, 64))
    plan_backbone.cache_clear()
    assert "Point(" not in str(info.value)


def test_tokens_that_do_not_fill_their_grid_are_no_features() -> None:
    # the convolutions before the patches round up, and the size of their grid is rounded down
    with torch.device("meta"):
        assert Backbone("vit_tiny_r_s16_p8_224", size=(64, 96)).multiple == 32
