"""The pooled head."""

from __future__ import annotations

import torch

from afanet.networks.heads.linear import PooledLinear


def test_a_pooled_head_is_a_linear_layer_of_the_mean() -> None:
    head, high = PooledLinear((6, 10), outputs=3), torch.rand(2, 10, 4, 5)
    expected = high.double().mean((2, 3)) @ head.logits.weight.double().T + head.logits.bias.double()
    torch.testing.assert_close(head((torch.rand(2, 6, 8, 9), high), (64, 80)).double(), expected, rtol=1e-5, atol=1e-6)
