"""A dilated convolution that leaves out taps in the padding, against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from afanet.networks.heads.layers import WithoutEmptyTaps


@pytest.mark.parametrize("size", [(3, 4), (4, 12), (12, 4), (9, 10)])
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_are_those_of_the_whole_kernel(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    ours = WithoutEmptyTaps(3, 4, 3, padding=(4, 5), dilation=(4, 5), bias=bias).double()
    whole = nn.Conv2d(3, 4, 3, padding=(4, 5), dilation=(4, 5), bias=bias).double()
    whole.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    results = []
    for conv in (ours, whole):
        image = x.clone().requires_grad_()
        output = conv(image)
        output.square().sum().backward()
        results.append([output, image.grad, *(parameter.grad for parameter in conv.parameters())])
    torch.testing.assert_close(*results)


def test_in_evaluation_it_is_the_whole_kernel() -> None:
    conv, x = WithoutEmptyTaps(3, 4, 3, padding=6, dilation=6).eval(), torch.randn(1, 3, 5, 5)
    assert torch.equal(conv(x), nn.functional.conv2d(x, conv.weight, conv.bias, 1, 6, 6))
