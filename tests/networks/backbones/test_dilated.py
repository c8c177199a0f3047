"""Dilated depthwise convolutions: those of torch, with a gradient of their own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from afanet.networks.backbones import Backbone
from afanet.networks.backbones.dilated import DilatedDepthwise, with_quick_gradients


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.tuples(*[st.sampled_from([1, 3, 5])] * 2),
    dilation=st.tuples(*[st.integers(1, 3)] * 2),
    size=st.tuples(*[st.integers(1, 9)] * 2),
    batch=st.integers(1, 3),
)
def test_gradients_are_those_of_torch(
    kernel: tuple[int, int], dilation: tuple[int, int], size: tuple[int, int], batch: int
) -> None:
    padding = (dilation[0] * (kernel[0] // 2), dilation[1] * (kernel[1] // 2))
    theirs = nn.Conv2d(4, 4, kernel, padding=padding, dilation=dilation, groups=4, bias=False).double()
    ours = DilatedDepthwise(theirs)
    x = torch.randn(batch, 4, *size, dtype=torch.float64, requires_grad=True)
    y, expected = ours(x), theirs(x)
    torch.testing.assert_close(y, expected)
    grad = torch.randn_like(y)
    inputs = (x, theirs.weight)
    torch.testing.assert_close(torch.autograd.grad(y, inputs, grad), torch.autograd.grad(expected, inputs, grad))


def test_several_gradients_at_once() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=2, dilation=2, groups=3, bias=False).double()
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    grads = torch.randn(4, 2, 3, 4, 5, dtype=torch.float64)
    ours, theirs = (
        torch.autograd.grad(layer(x), (x, conv.weight), grads, is_grads_batched=True)
        for layer in (DilatedDepthwise(conv), conv)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("same", [False, True])
def test_only_what_is_dilated_depthwise_and_keeps_its_size_is_replaced(same: bool) -> None:
    padding = 0 if same else 2
    make = Conv2dSame if same else nn.Conv2d
    network = nn.Sequential(
        make(4, 4, 3, padding=padding, dilation=2, groups=4, bias=False),
        make(4, 4, 3, padding=padding, dilation=2, groups=2, bias=False),
        make(4, 4, 3, padding=padding, dilation=2, groups=4, bias=True),
        make(4, 4, 3, padding=padding, dilation=2, groups=4, bias=False, stride=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, dilation=2, groups=4, bias=False),  # valid: gives fewer pixels
    ).double()
    x = torch.rand(1, 4, 20, 20, dtype=torch.float64)
    before, names = network(x), list(network.state_dict())
    with_quick_gradients(network)
    assert [isinstance(layer, DilatedDepthwise) for layer in network] == [True] + [False] * 5
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(x), before)


def test_a_backbone_has_them_where_it_is_dilated() -> None:
    def count(stride: int) -> int:
        backbone = Backbone("mobilenetv2_035", output_stride=stride)
        return sum(isinstance(layer, DilatedDepthwise) for layer in backbone.modules())

    assert count(32) == 0 < count(16) < count(8)


def test_under_autocast_and_in_evaluation_it_is_torch_s() -> None:
    layer = DilatedDepthwise(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4, bias=False))
    x = torch.rand(1, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert "Depthwise" not in type(layer.eval()(x).grad_fn).__name__
    assert "Depthwise" in type(layer.train()(x).grad_fn).__name__
