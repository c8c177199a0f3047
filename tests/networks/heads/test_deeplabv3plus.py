"""The dense head gives logits at the image's size, from features of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from afanet import Dense, create_network
from afanet.networks.heads.deeplabv3plus import ASPP, DeepLabV3Plus


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_dense_logits_have_the_images_size(height: int, width: int) -> None:
    head = DeepLabV3Plus((6, 10), outputs=5).eval()
    low = torch.rand(2, 6, -(-height // 4), -(-width // 4))
    high = torch.rand(2, 10, -(-height // 16), -(-width // 16))
    with torch.no_grad():
        assert head((low, high), (height, width)).shape == (2, 5, height, width)


@pytest.mark.parametrize(("stride", "dilations"), [(32, [3, 6, 9]), (16, [6, 12, 18]), (8, [12, 24, 36])])
def test_the_pyramid_spans_the_same_part_of_the_image_at_every_stride(stride: int, dilations: list[int]) -> None:
    head = DeepLabV3Plus((6, 10), outputs=5, output_stride=stride)
    assert [conv[0].dilation[0] for conv in head.aspp.convs] == [1, *dilations]
    assert [conv[0].kernel_size[0] for conv in head.aspp.convs] == [1, 3, 3, 3]


def test_the_pyramid_goes_by_the_size_of_patches() -> None:
    with torch.device("meta"):
        network = create_network("single", {"depth": Dense(1)}, "vit_small_patch8_224", head="deeplabv3plus")
    convs = network.get_submodule("branches.depth.head.aspp.convs").children()
    assert [conv.get_submodule("0").dilation[0] for conv in convs] == [1, 12, 24, 36]


def test_the_pyramid_keeps_the_features_size_and_pools_the_whole_image() -> None:
    aspp, x = ASPP(10, (6, 12, 18)).eval(), torch.zeros(1, 10, 3, 50)
    assert aspp(x).shape == (1, 256, 3, 50)
    far = x.clone()
    far[..., 49] = 1.0  # beyond every dilation from the first column
    assert not torch.equal(aspp(x)[..., 0], aspp(far)[..., 0])


def test_the_decoder_drops_out_where_the_original_does() -> None:
    assert [module.p for module in DeepLabV3Plus((6, 10), 5).modules() if isinstance(module, nn.Dropout)] == [
        0.5,
        0.5,
        0.1,
    ]
