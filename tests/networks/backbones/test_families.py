"""One member of each of many families gives features as it says, at odd sizes; nothing is computed, on meta."""

from __future__ import annotations

import pytest
import torch

from afanet.networks.backbones import Backbone

from ...relatives import relatives

CHAINS = [
    "convnext_atto",
    "cs3darknet_focus_s",
    "davit_tiny",
    "densenet121",
    "dla46x_c",
    "dpn48b",
    "edgenext_xx_small",
    "efficientvit_b0",
    "efficientvit_m0",
    "fasternet_t0",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "ghostnet_050",
    "hgnetv2_b0",
    "iformer_t",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilevit_xxs",
    "poolformerv2_s12",
    "pvt_v2_b0",
    "regnety_002",
    "repvit_m1",
    "res2net50_14w_8s",
    "resnet18",
    "resnetv2_50",
    "starnet_s1",
    "swin_tiny_patch4_window7_224",
    "test_byobnet",
    "test_efficientnet",
    "test_mambaout",
    "test_maxvit",
    "test_nfnet",
    "tiny_vit_5m_224",
    "vgg11",
]
WHOLE = [
    "cspnext_tiny",
    "efficientformer_l1",
    "efficientvim_m1",
    "hrnet_w18_small",
    "legacy_xception",
    "levit_128s",
    "pit_ti_224",
    "selecsls42",
    "twins_svt_small",
    "xception41",
]
PLAIN = {
    "cait_xxs24_224": (16, [5, 11, 17, 23]),
    "convit_tiny": (16, [2, 5, 8, 11]),
    "convmixer_768_32": (7, [7, 15, 23, 31]),
    "deit_tiny_distilled_patch16_224": (16, [2, 5, 8, 11]),
    "gmlp_ti16_224": (16, [6, 14, 21, 29]),
    "test_vit": (16, [0, 2, 3, 5]),
    "test_vit3": (16, [1, 3, 5, 8]),
    "vit_small_patch14_dinov2": (14, [2, 5, 8, 11]),
    "vit_small_patch14_reg4_dinov2": (14, [2, 5, 8, 11]),
    "vit_tiny_patch16_dinov3_qkvb": (16, [2, 5, 8, 11]),
    "xcit_nano_12_p16_224": (16, [2, 5, 8, 11]),
}
# One of each way in which stages are found, of layouts, and of odd strides.
FAST = ["convnext_atto", "mobilenetv3_small_050", "pvt_v2_b0", "resnet18", "swin_tiny_patch4_window7_224", "test_nfnet"]
FAST_WHOLE = ["hrnet_w18_small", "legacy_xception", "pit_ti_224", "selecsls42"]
FAST_PLAIN = ["convmixer_768_32", "test_vit", "vit_small_patch14_reg4_dinov2"]
SIZES = [(64, 96), (50, 75)]


def on_meta(name: str) -> Backbone:
    with torch.device("meta"):
        return Backbone(name, size=SIZES[0], takes=None).eval()


def require_features_as_given(backbone: Backbone) -> None:
    """The features of images of odd sizes, padded, have the channels and strides that the backbone states."""
    assert len(backbone.given) == len(backbone.stages if backbone.meets else backbone.given)
    padding = backbone.padding()
    for size in SIZES:
        image = torch.empty(1, 3, *size, device="meta")
        image = image if padding is None else padding(image)
        with torch.no_grad():
            features = backbone(image)
        assert len(features) == len(backbone.given)
        for x, stage in zip(features, backbone.given, strict=True):
            assert x.shape[1] == stage.channels
            assert all(
                abs(pixels - side / stage.stride) < 2 for pixels, side in zip(x.shape[2:], image.shape[2:], strict=True)
            )


def test_there_are_forty_families() -> None:
    assert len({*CHAINS, *WHOLE, *PLAIN}) >= 40


@pytest.mark.parametrize("name", relatives(CHAINS, FAST))
def test_a_chain_of_stages(name: str) -> None:
    backbone = on_meta(name)
    assert not backbone.whole
    assert not backbone.plain
    require_features_as_given(backbone)


@pytest.mark.parametrize("name", relatives(WHOLE, FAST_WHOLE))
def test_a_network_with_stages_that_runs_as_a_whole(name: str) -> None:
    backbone = on_meta(name)
    assert backbone.whole
    assert not backbone.plain
    require_features_as_given(backbone)


@pytest.mark.parametrize("name", relatives(PLAIN, FAST_PLAIN))
def test_a_plain_network_has_four_taps_at_even_depths(name: str) -> None:
    backbone = on_meta(name)
    stride, taps = PLAIN[name]
    assert backbone.plain
    assert [stage.stride for stage in backbone.given] == [stride] * 4
    assert [stage.rpartition(".")[2] for stage in backbone.stages] == [str(tap) for tap in taps]
    assert [block for blocks in backbone.blocks for block in blocks] == [
        f"model.blocks.{i}" for i in range(taps[-1] + 1)
    ]
    require_features_as_given(backbone)
