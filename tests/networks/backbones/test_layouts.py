"""Where layers of whole networks have the picture is learnt by following it, and fusion sees the true picture."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet import CrossStitch, Dense, InputError, Pooled, create_network
from afanet.networks import Woven
from afanet.networks.backbones import Backbone
from afanet.networks.backbones.layouts import layouts_of_stages
from afanet.networks.layout import Layout

OUTPUTS = {"depth": Dense(1), "scene": Pooled(4)}
SIZE = (64, 96)
# Of the last stage's block and of the last stage: the order, how many tokens come before the patches', and the item.
FORMS = {
    "efficientformer_l1": (("BNC", 0, None), ("BNC", 0, None)),
    "hiera_tiny_224": (("BNC", 0, None), ("BNC", 0, None)),
    "levit_128s": (("BNC", 0, None), ("BNC", 0, None)),
    "mvitv2_tiny": (("BNC", 0, 0), ("BNC", 0, 0)),
    "pit_ti_224": (("BNC", 1, None), ("BCHW", 0, 0)),
    "tnt_s_legacy_patch16_224": (("BNC", 1, 1), ("BNC", 1, 1)),
    "vit_tiny_patch16_dinov3_qkvb": (("BNC", 5, None), ("BNC", 5, None)),
}


class Same(nn.Module):
    """Fuses nothing."""

    def forward(self, xs: list[Tensor], prefix: list[Tensor] | None = None) -> list[Tensor]:
        return [*xs, *(prefix or [])]


class Spread(nn.Module):
    """The second task gets the first one's features, spread over the pixels around each."""

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return [xs[0], xs[1] + F.avg_pool2d(xs[0], 3, 1, 1)]


@pytest.mark.parametrize("name", FORMS)
def test_the_layout_of_every_layer_where_branches_meet_is_known(name: str) -> None:
    with torch.device("meta"):
        body = Backbone(name, size=SIZE)
    assert {*body.stages, *(block for blocks in body.blocks for block in blocks)} == body.layouts.keys()
    for layer, (order, prefix, item) in zip((body.blocks[-1][-1], body.stages[-1]), FORMS[name], strict=True):
        assert [(key, layout.order, layout.prefix) for key, layout in body.layouts[layer].items()] == [
            (item, order, prefix)
        ]


def test_a_whole_network_in_which_nothing_can_be_followed_has_no_layouts() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 4, 1)).to("meta")
    features = partial(lambda image, number: network(image), torch.empty(1, 3, 16, 24, device="meta"))
    assert layouts_of_stages(network, features, ["1"], [["1"]]) == {"1": {None: Layout("BCHW")}}
    assert layouts_of_stages(network, features, ["0"], [["0"]]) == {}


@pytest.fixture(scope="module")
def hiera() -> Woven:
    torch.manual_seed(0)
    return create_network("nddr", OUTPUTS, "hiera_tiny_224", size=SIZE, output_stride=32).eval()


@pytest.mark.parametrize(("point", "number"), [("model.blocks.0", 0), ("model.blocks.2", 2), ("model.blocks.9", 9)])
def test_what_one_branch_has_at_a_pixel_reaches_the_pixels_around_it_in_the_other(
    hiera: Woven, point: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = hiera.branches.scene.backbone
    layer = hiera.fusion.backbone.get_submodule(point)
    monkeypatch.setattr(layer, "forward", Spread().forward)
    seen: list[Tensor] = []
    moved = torch.zeros(())
    give = hiera.branches.depth.backbone.get_submodule(point).register_forward_hook(lambda *call: call[2] + moved)
    after = body.model.blocks[number + 1].register_forward_pre_hook(lambda block, given: seen.append(given[0]))
    image = torch.rand(1, 3, *SIZE)
    try:
        with torch.no_grad():
            hiera(image)
            height, width = body.model.reroll(seen[0], number).shape[1:3]
            for token in (0, 3, height * width // 2, height * width - 1):
                moved = torch.zeros_like(seen[0])
                moved[:, token] = 1
                hiera(image)
                row, column = (body.model.reroll(moved, number)[0, ..., 0] > 0).nonzero()[0].tolist()
                changed = (body.model.reroll(seen[-1] - seen[0], number)[0].abs().sum(-1) > 1e-3).nonzero()
                around = {(y, x) for y in range(row - 1, row + 2) for x in range(column - 1, column + 2)}
                assert {(y, x) for y, x in changed.tolist()} == {
                    (y, x) for y, x in around if 0 <= y < height and 0 <= x < width
                }
    finally:
        give.remove()
        after.remove()


def test_without_exchange_every_output_is_its_branch_s_own() -> None:
    torch.manual_seed(0)
    network = create_network("cross_stitch", OUTPUTS, "hiera_tiny_224", size=SIZE, output_stride=32).eval()
    for name in [name for name, layer in network.named_modules() if isinstance(layer, CrossStitch)]:
        network.set_submodule(name, Same())
    image = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        for task, output in network(image).items():
            assert torch.equal(output, network.branches.get_submodule(task)(image))


def test_smaller_images_are_padded_and_larger_ones_are_refused(hiera: Woven) -> None:
    with torch.no_grad():
        assert hiera(torch.rand(1, 3, 40, 90))["depth"].shape == (1, 1, 40, 90)
        with pytest.raises(InputError, match="'hiera_tiny_224' takes images of 64x96 only"):
            hiera(torch.rand(1, 3, 80, 96))


def test_it_exports(hiera: Woven) -> None:
    image = torch.rand(1, 3, *SIZE)
    exported = torch.export.export(hiera, (image,), strict=False).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(image)["depth"], hiera(image)["depth"])


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("hiera_tiny_224", "afa"),
        ("pit_ti_224", "afa"),
        pytest.param("levit_128s", "nddr", marks=pytest.mark.slow),
        pytest.param("efficientvim_m1", "cross_stitch", marks=pytest.mark.slow),
    ],
)
def test_every_fusion_layer_learns(name: str, method: str) -> None:
    with torch.device("meta"):
        network = create_network(method, OUTPUTS, name, size=SIZE, output_stride=32).train()
        outputs = network(torch.empty(2, 3, 61, 90))
    assert {task: tuple(y.shape) for task, y in outputs.items()} == {"depth": (2, 1, 61, 90), "scene": (2, 4)}
    sum(y.sum() for y in outputs.values()).backward()
    assert all(parameter.grad is not None for parameter in network.fusion.parameters())
