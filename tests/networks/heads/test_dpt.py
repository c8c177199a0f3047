"""The head of the dense prediction transformer: a pyramid out of taps of one stride, as in public implementations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from afanet import InputError
from afanet.networks import Stage
from afanet.networks.heads.dpt import DPT, Residual

TAPS = [Stage(16, 14)] * 4


def test_taps_of_one_stride_become_a_pyramid() -> None:
    head, x = DPT(TAPS, 2).eval(), torch.rand(1, 16, 5, 6)
    sizes = [tuple(layer(x).shape[1:]) for layer in head.reassemble]
    assert sizes == [(256, 20, 24), (256, 10, 12), (256, 5, 6), (256, 3, 3)]
    assert [layer[0].out_channels for layer in head.reassemble] == [2, 4, 8, 16]  # C/8, C/4, C/2, C


def test_stages_that_are_a_pyramid_are_not_resampled() -> None:
    head = DPT([Stage(8 << level, 4 << level) for level in range(4)], 2).eval()
    features = [torch.rand(1, 8 << level, 40 >> level, 24 >> level) for level in range(4)]
    assert all(isinstance(layer, nn.Conv2d) and layer.stride == (1, 1) for layer in head.reassemble)
    with torch.no_grad():
        assert head(features, (157, 95)).shape == (1, 2, 157, 95)


def test_a_residual_unit_without_weights_is_the_identity() -> None:
    unit, x = Residual(), torch.randn(2, 256, 3, 4)
    for parameter in unit.layers[3].parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize("count", [2, 5])
def test_other_than_four_taps_are_refused(count: int) -> None:
    with pytest.raises(
        InputError, match=rf"head dpt needs 4 taps, but the backbone gives {count}: .* linear, mlp or fpn"
    ):
        DPT([Stage(16, 14)] * count, 2)


def test_it_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.dpt import modeling_dpt as theirs

    config = transformers.DPTConfig(
        hidden_size=32, neck_hidden_sizes=[4, 8, 16, 32], fusion_hidden_size=256, readout_type="ignore", num_labels=3
    )
    torch.manual_seed(0)
    neck, head = theirs.DPTNeck(config).eval(), theirs.DPTSemanticSegmentationHead(config).eval()
    nn.init.uniform_(head.head[1].running_mean)
    ours = DPT([Stage(32, 16)] * 4, 3).eval()
    for level, (mine, reassembled) in enumerate(zip(ours.reassemble, neck.reassemble_stage.layers, strict=True)):
        parts = [reassembled.projection, *([reassembled.resize] if level != 2 else []), neck.convs[level]]
        for layer, other in zip(mine, parts, strict=True):
            layer.load_state_dict(other.state_dict())
    for mine, fused in zip(reversed(ours.fusions), neck.fusion_stage.layers, strict=True):
        mine.project.load_state_dict(fused.projection.state_dict())
        for unit, other in ((mine.skip, fused.residual_layer1), (mine.body, fused.residual_layer2)):
            if unit is not None:
                unit.layers[1].load_state_dict(other.convolution1.state_dict())
                unit.layers[3].load_state_dict(other.convolution2.state_dict())
    ours.refine.load_state_dict(head.head[:4].state_dict())
    ours.logits.load_state_dict(head.head[4].state_dict())
    features = [torch.randn(2, 32, 6, 4) for _ in range(4)]
    tokens = [torch.cat([torch.zeros(2, 1, 32), x.flatten(2).mT], 1) for x in features]
    with torch.no_grad():
        expected = head(neck(tokens, 6, 4))
        torch.testing.assert_close(ours(features, (96, 64)), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01
