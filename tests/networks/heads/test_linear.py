"""The linear heads: one of the mean, one of every pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from afanet.networks import Stage
from afanet.networks.heads.linear import DenseLinear, PooledLinear


def test_a_pooled_head_is_a_linear_layer_of_the_mean() -> None:
    head, high = PooledLinear((6, 10), outputs=3), torch.rand(2, 10, 4, 5)
    expected = high.double().mean((2, 3)) @ head.logits.weight.double().T + head.logits.bias.double()
    torch.testing.assert_close(head((torch.rand(2, 6, 8, 9), high), (64, 80)).double(), expected, rtol=1e-5, atol=1e-6)


def test_a_dense_head_on_constant_features_is_a_linear_layer_of_their_normalised_values() -> None:
    head = DenseLinear([Stage(6, 14), Stage(4, 14)], outputs=3).eval()
    torch.nn.init.uniform_(head.norm.running_mean)
    torch.nn.init.uniform_(head.norm.running_var)
    values = torch.rand(10)
    y = head([x[None, :, None, None].expand(2, -1, 4, 5) for x in values.split([6, 4])], (56, 70))
    normed = (values.double() - head.norm.running_mean.double()) / (head.norm.running_var.double() + 1e-5).sqrt()
    expected = head.logits.weight[..., 0, 0].double() @ normed + head.logits.bias.double()
    torch.testing.assert_close(y.double(), expected[None, :, None, None].expand(2, 3, 56, 70), rtol=1e-5, atol=1e-5)


def test_a_dense_head_joins_stages_at_the_size_of_the_first() -> None:
    head = DenseLinear([Stage(6, 4), Stage(4, 16)], outputs=3).eval()
    low, high = torch.rand(1, 6, 9, 11), torch.rand(1, 4, 3, 3)
    joined = torch.cat([low, F.interpolate(high, (9, 11), mode="bilinear")], 1)
    expected = F.interpolate(head.logits(head.norm(joined)), (35, 41), mode="bilinear")
    torch.testing.assert_close(head([low, high], (35, 41)), expected)
