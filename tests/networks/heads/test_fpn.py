"""The semantic feature pyramid network: torchvision's pyramid, and the way up of segmentation_models_pytorch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from afanet.networks import Stage
from afanet.networks.heads import fpn
from afanet.networks.heads.fpn import FPN
from afanet.networks.heads.layers import resize

CHANNELS = [8, 12, 16, 20]
STAGES = [Stage(c, 4 << level) for level, c in enumerate(CHANNELS)]


def features(height: int, width: int) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.randn(2, c, -(-height >> level), -(-width >> level)) for level, c in enumerate(CHANNELS)]


@pytest.mark.parametrize(
    ("strides", "layers"), [((4, 8, 16, 32), [1, 1, 2, 3]), ((4, 8, 16, 16), [1, 1, 2, 2]), ((14,) * 4, [1, 1, 1, 1])]
)
def test_a_level_has_a_layer_for_each_size_on_its_way_up(strides: tuple[int, ...], layers: list[int]) -> None:
    head = FPN([Stage(8, stride) for stride in strides], 2)
    assert [len(climb.layers) for climb in head.climbs] == layers


def test_the_pyramid_is_that_of_torchvision() -> None:
    ops = pytest.importorskip("torchvision.ops")
    theirs, head = ops.FeaturePyramidNetwork(CHANNELS, 256).eval(), FPN(STAGES, 3).eval()
    for mine, lateral in zip(head.laterals, theirs.inner_blocks, strict=True):
        mine.load_state_dict(lateral[0].state_dict())
    for mine, smooth in zip(head.smooth, theirs.layer_blocks, strict=True):
        mine.load_state_dict(smooth[0].state_dict())
    seen: list[torch.Tensor] = []
    for climb in head.climbs:
        climb.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    xs = features(23, 17)  # odd: no level is twice the next
    with torch.no_grad():
        head(xs, (90, 66))
        expected = theirs({str(level): x for level, x in enumerate(xs)})
    for x, y in zip(seen, expected.values(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-5)


def test_the_way_up_is_that_of_segmentation_models(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = pytest.importorskip("segmentation_models_pytorch.decoders.fpn.decoder")
    torch.manual_seed(0)
    theirs, head = decoder.FPNDecoder([3, *CHANNELS], encoder_depth=4).eval(), FPN(STAGES, 3).eval()
    laterals = [theirs.p2.skip_conv, theirs.p3.skip_conv, theirs.p4.skip_conv, theirs.p5]
    for mine, lateral, smooth in zip(head.laterals, laterals, head.smooth, strict=True):
        mine.load_state_dict(lateral.state_dict())
        nn.init.dirac_(smooth.weight)  # theirs has none
        nn.init.zeros_(smooth.bias)
    for climb, block in zip(reversed(head.climbs), theirs.seg_blocks, strict=True):
        for mine, other in zip(climb.layers, block.block, strict=True):
            mine.load_state_dict(other.block.state_dict())
    monkeypatch.setattr(fpn, "resize", lambda x, size, *, aligned: resize(x, size, aligned=True))  # as theirs
    xs = features(16, 24)
    with torch.no_grad():
        expected = F.interpolate(head.logits(theirs(xs)), (61, 95), mode="bilinear")
        torch.testing.assert_close(head(xs, (61, 95)), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01
