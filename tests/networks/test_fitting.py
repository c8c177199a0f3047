"""Branches of different shapes meet: adapters start as they should, lose nothing, and learn from the first step."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import timm
import torch
from torch import Tensor, nn

from afanet import AFA, NDDR, CrossStitch, InputError, weave
from afanet.networks.fitting import Fitting, ShapeAdapter

SHAPES = {"first": (6, 4, 5), "alike": (6, 4, 5), "wide": (9, 2, 3), "narrow": (4, 8, 10), "larger": (6, 8, 10)}


class Through(nn.Module):
    """Passes features through."""

    def __init__(self, channels: int, tasks: int, size: tuple[int, int]) -> None:
        super().__init__()

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return list(xs)


class Mean(Through):
    """Every task goes on with the mean of all."""

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return [torch.stack(xs).mean(0)] * len(xs)


def features() -> list[Tensor]:
    return [torch.randn(2, *shape) for shape in SHAPES.values()]


def test_a_layer_that_passes_features_through_changes_nothing() -> None:
    xs = features()
    fitting = Fitting(Through(6, 5, (4, 5)), SHAPES)
    for x, y in zip(xs, fitting(xs), strict=True):
        assert torch.equal(x, y)


def test_the_layer_gets_all_in_the_first_ones_shape_and_equal_shapes_untouched() -> None:
    seen: list[Tensor] = []

    class Spy(Through):
        def forward(self, xs: list[Tensor]) -> list[Tensor]:
            seen.extend(xs)
            return [x + 1 for x in xs]

    xs = features()
    fitting = Fitting(Spy(6, 5, (4, 5)), SHAPES)
    ys = fitting(xs)
    assert [x.shape for x in seen] == [(2, 6, 4, 5)] * 5
    assert seen[0] is xs[0]
    assert seen[1] is xs[1]
    assert torch.equal(ys[1], xs[1] + 1)
    assert [y.shape for y in ys] == [x.shape for x in xs]
    assert set(fitting.adapters) == {"wide", "narrow", "larger"}


@pytest.mark.parametrize(("channels", "common"), [(4, 6), (6, 6)])
def test_a_branch_of_no_more_channels_starts_as_if_it_had_the_firsts_shape(channels: int, common: int) -> None:
    # with E orthonormal by columns, x + E'(f - E x) = E' f: the branch goes on with all that the layer gives it
    adapter = ShapeAdapter(channels, common).double()
    x, fused = torch.randn(2, channels, 3, 3).double(), torch.randn(2, common, 3, 3).double()
    entered = adapter(x, fused)
    expected = torch.einsum("kc,bkhw->bchw", adapter.into.weight[:, :, 0, 0], fused)
    torch.testing.assert_close(adapter.leave(x, fused - entered), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(entered.square().sum(), x.square().sum(), rtol=1e-5, atol=0)


def test_of_a_wider_branch_what_does_not_enter_stays_as_it_is() -> None:
    adapter = ShapeAdapter(9, 6).double()
    E = adapter.into.weight[:, :, 0, 0]
    rest = torch.eye(9).double() - E.T @ E  # projects on what the adapter does not carry
    x, fused = torch.randn(1, 9, 2, 2).double(), torch.randn(1, 6, 2, 2).double()
    y = adapter.leave(x, fused - adapter(x, fused))
    outside = [torch.einsum("dc,bchw->bdhw", rest, features) for features in (x, y)]
    torch.testing.assert_close(*outside, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.einsum("kc,bchw->bkhw", E, y), fused, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fusion", [AFA, CrossStitch, NDDR])
def test_gradient_reaches_every_parameter_at_the_first_step(fusion: type[nn.Module]) -> None:
    shapes = {"cnn": (6, 4, 4), "vit": (9, 3, 3)}
    fitting = Fitting(fusion(6, tasks=2, size=(4, 4)), shapes)
    if fusion is AFA:
        fitting.layer.sam.conv.weight.data.fill_(1e-3)  # its ReLU passes what it sees
    xs = [torch.rand(2, *shape, requires_grad=True) for shape in shapes.values()]
    fitting(xs)[1].square().sum().backward()  # through the adapted branch alone
    idle = [name for name, p in fitting.named_parameters() if p.grad is None or not p.grad.any()]
    if fusion is CrossStitch or fusion is NDDR:  # the rows of the first branch are not in the second's output
        idle = [name for name in idle if not name.startswith("layer.")]
    assert not idle
    assert all(x.grad is not None and x.grad.any() for x in xs)


def branches() -> dict[str, nn.Module]:
    cnn = timm.create_model("resnet18", num_classes=3)
    vit = timm.create_model("vit_tiny_patch16_224", num_classes=2, img_size=64, depth=2, embed_dim=24, num_heads=2)
    return {"cnn": cnn.eval(), "vit": vit.eval()}


POINTS = {"cnn": ["layer3.1"], "vit": ["blocks.0"]}
CONVNETS = {"a": ["layer3.1", "layer4.1"], "b": ["stages.2.blocks.5", "stages.3.blocks.1"]}


def convnets() -> dict[str, nn.Module]:
    return {"a": timm.create_model("resnet18", num_classes=3), "b": timm.create_model("convnext_atto", num_classes=2)}


def woven(layer: object, image: Sequence[int] = (1, 3, 64, 64)) -> nn.Module:
    return weave(convnets(), CONVNETS, layer, example=image, adapt=True).eval()


def test_without_adapt_the_refusal_names_it() -> None:
    with pytest.raises(InputError, match=r"\(256, 4, 4\).*\(160, 4, 4\).*adapt=True"):
        weave(convnets(), CONVNETS, AFA, example=(1, 3, 64, 64))


def test_a_resnet_and_a_vit_meet_and_pass_through_unchanged() -> None:
    pair, image = branches(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = {task: branch(image) for task, branch in pair.items()}
        outputs = weave(pair, POINTS, Through, example=(1, 3, 64, 64), adapt=True).eval()(image)
    assert all(torch.equal(outputs[task], expected[task]) for task in pair)


def test_a_resnet_and_a_convnext_exchange_learn_and_take_other_sizes() -> None:
    network, image = woven(Mean), torch.rand(2, 3, 96, 80)
    outputs = network(image)
    assert not torch.equal(outputs["b"], network.branches.b(image))
    assert list(network.fusion.layer3.get_submodule("1").adapters) == ["b"]
    network.train()
    sum(output.square().mean() for output in network(image).values()).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [name for name in still if name.startswith("fusion")]


def test_equal_shapes_get_no_adapters_and_the_same_network() -> None:
    pair = {task: timm.create_model("resnet18", num_classes=2) for task in ("a", "b")}
    torch.manual_seed(1)
    plain = weave(copy.deepcopy(pair), ["layer4.1"], AFA, example=(1, 3, 64, 64))
    torch.manual_seed(1)
    adapted = weave(pair, ["layer4.1"], AFA, example=(1, 3, 64, 64), adapt=True)
    assert list(plain.state_dict()) == list(adapted.state_dict())
    assert all(map(torch.equal, plain.state_dict().values(), adapted.state_dict().values()))


def test_it_exports_with_free_sizes() -> None:
    network, image = woven(AFA), torch.rand(2, 3, 64, 64)
    free = torch.export.Dim.AUTO
    program = torch.export.export(network, (image,), dynamic_shapes=({0: free, 2: free, 3: free},)).module()
    for size in ((2, 3, 64, 64), (3, 3, 96, 128)):
        other = torch.rand(size)
        torch.testing.assert_close(program(other), network(other), rtol=1e-3, atol=1e-4)


class ByValue(nn.Module):
    """A network that no graph can be made of."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, stride, 1)
        self.head = nn.Linear(channels, 2)

    def forward(self, image: Tensor) -> Tensor:
        features = self.conv(image)
        return self.head(features.mean((2, 3)) if image.shape[2] % 2 == 0 else features.amax((2, 3)))


def test_branches_that_run_as_coroutines_adapt_too() -> None:
    pytest.importorskip("greenlet")
    pair, image = {"a": ByValue(6, 2), "b": ByValue(9, 4)}, torch.rand(2, 3, 16, 16)
    expected = {task: branch(image) for task, branch in pair.items()}
    network = weave(copy.deepcopy(pair), ["conv"], Through, example=image, adapt=True)
    assert all(torch.equal(output, expected[task]) for task, output in network(image).items())
    network = weave(pair, ["conv"], Mean, example=image, adapt=True)
    sum(output.square().sum() for output in network(torch.rand(2, 3, 19, 24)).values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in network.fusion.parameters())
