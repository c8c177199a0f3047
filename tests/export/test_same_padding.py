"""TensorFlow's padding as timm has it, in a form that exporters can follow."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from torch import nn
from torch.export import Dim

from afanet.export.same_padding import same_padding_spelled_out


@settings(max_examples=50, deadline=None)
@given(
    size=st.tuples(*[st.integers(1, 12)] * 2),
    kernel=st.tuples(*[st.integers(1, 5)] * 2),
    stride=st.tuples(*[st.integers(1, 3)] * 2),
    dilation=st.tuples(*[st.integers(1, 3)] * 2),
)
def test_it_is_that_of_timm(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> None:
    layer = Conv2dSame(2, 3, kernel, stride=stride, dilation=dilation)
    x = torch.rand(1, 2, *size)
    expected = layer(x)
    with same_padding_spelled_out(layer):
        torch.testing.assert_close(layer(x), expected)
    assert "forward" not in vars(layer)


def test_a_chain_of_strides_is_exported_for_any_size() -> None:
    network = nn.Sequential(*[Conv2dSame(2, 2, kernel, stride=2) for kernel in (3, 3, 5, 3, 5)]).eval()
    free = {2: Dim.AUTO, 3: Dim.AUTO}
    with same_padding_spelled_out(network), torch.no_grad():
        program = torch.export.export(network, (torch.zeros(1, 2, 72, 96),), dynamic_shapes=(free,))
    image = torch.rand(1, 2, 105, 131)
    torch.testing.assert_close(program.module()(image), network(image))
