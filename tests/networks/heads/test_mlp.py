"""SegFormer's decoder: a linear layer for each stage, and one for all."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from afanet.networks import Stage
from afanet.networks.heads.mlp import MLP

STAGES = [Stage(8, 4), Stage(12, 8), Stage(16, 16), Stage(20, 32)]


def test_constant_features_give_a_constant_that_linear_layers_give() -> None:
    head = MLP(STAGES, 3).double().eval()
    values = [torch.rand(stage.channels).double() for stage in STAGES]
    features = [
        v[None, :, None, None].expand(1, -1, 37 // s.stride, 50 // s.stride)
        for v, s in zip(values, STAGES, strict=True)
    ]
    projected = [layer.weight[..., 0, 0] @ v + layer.bias for layer, v in zip(head.project, values, strict=True)]
    joined = head.fuse[0].weight[..., 0, 0] @ torch.cat(projected) / (1 + head.fuse[1].eps) ** 0.5
    expected = head.logits.weight[..., 0, 0] @ joined.relu() + head.logits.bias
    torch.testing.assert_close(head(features, (37, 50)), expected[None, :, None, None].expand(1, 3, 37, 50))


def test_it_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    from transformers.models.segformer.modeling_segformer import SegformerDecodeHead

    channels = [stage.channels for stage in STAGES]
    torch.manual_seed(0)
    theirs = SegformerDecodeHead(
        transformers.SegformerConfig(hidden_sizes=channels, decoder_hidden_size=256, num_labels=5)
    ).eval()
    nn.init.uniform_(theirs.batch_norm.running_mean)
    ours = MLP(STAGES, 5).eval()
    for mine, linear in zip(ours.project, theirs.linear_projections, strict=True):
        mine.load_state_dict({"weight": linear.proj.weight[..., None, None], "bias": linear.proj.bias})
    last_first = theirs.linear_fuse.weight.unflatten(1, (4, 256)).flip(1).flatten(1, 2)
    ours.fuse[0].load_state_dict({"weight": last_first})
    ours.fuse[1].load_state_dict(theirs.batch_norm.state_dict())
    ours.logits.load_state_dict(theirs.classifier.state_dict())
    features = [torch.randn(2, c, 24 >> level, 17 >> level) for level, c in enumerate(channels)]
    with torch.no_grad():
        expected = F.interpolate(theirs(features), (93, 67), mode="bilinear")
        torch.testing.assert_close(ours(features, (93, 67)), expected, rtol=0, atol=1e-5)
    assert expected.std() > 0.01


def test_mixing_before_resizing_is_the_paper_s_resizing_before_mixing() -> None:
    torch.manual_seed(0)
    stages = [Stage(8, 4), Stage(300, 8), Stage(16, 16), Stage(20, 16)]
    head = MLP(stages, 3).double().eval()
    features = [torch.randn(2, s.channels, -(-37 // s.stride), -(-50 // s.stride)).double() for s in stages]
    projected = [layer(x) for layer, x in zip(head.project, features, strict=True)]
    joined = torch.cat([F.interpolate(x, features[0].shape[-2:], mode="bilinear") for x in projected], 1)
    expected = F.interpolate(head.logits(head.fuse(joined)), (37, 50), mode="bilinear")
    torch.testing.assert_close(head(features, (37, 50)), expected)
