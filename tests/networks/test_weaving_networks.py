"""AFA woven into networks of every kind: one tester, a line or two a network."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from afanet import AFA, weave
from afanet.networks import Woven

from ..relatives import relatives


class Encoder(nn.Module):
    """Features at two scales, as a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        fine = self.fine(image)
        return {"fine": fine, "coarse": self.coarse(fine)}


class Decoder(nn.Module):
    """Joins the scales with a skip, and drops out some by function."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(16, 8, 1)
        self.join = nn.Conv2d(16, outputs, 3, padding=1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        coarse = F.interpolate(self.reduce(features["coarse"]), features["fine"].shape[-2:], mode="bilinear")
        return self.join(F.dropout(torch.cat([coarse, features["fine"]], 1), 0.2, self.training))


class EncoderDecoder(nn.Module):
    """A network written by hand."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder(outputs)

    def forward(self, image: Tensor) -> Tensor:
        return F.interpolate(self.decoder(self.encoder(image)), image.shape[-2:], mode="bilinear")


def from_timm(name: str, **options: object) -> Callable[[int], nn.Module]:
    return lambda outputs: timm.create_model(name, num_classes=outputs, **options)


def resnet_of_torchvision(outputs: int) -> nn.Module:
    return torchvision.models.resnet18(num_classes=outputs)


def swin_of_torchvision(outputs: int) -> nn.Module:
    swin = torchvision.models.swin_transformer.SwinTransformer
    return swin([4, 4], 24, [1, 2], [1, 2], [4, 4], stochastic_depth_prob=0.0, num_classes=outputs)


def lraspp_of_torchvision(outputs: int) -> nn.Module:
    return torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=outputs)


@dataclass(frozen=True)
class Case:
    """A network by its number of outputs, where two of its kind meet, and the images' size."""

    make: Callable[[int], nn.Module]
    at: tuple[str, ...]
    size: int = 64
    drops: bool = False  # functional dropout in a module that holds a point
    leads: bool = False  # is asked in the fast suite; its relatives are in the slow one alone


VIT = {"img_size": 32, "depth": 3, "embed_dim": 24}
SWIN = {"img_size": 56, "depths": (1, 1, 2, 1), "embed_dim": 24, "num_heads": (1, 1, 2, 2)}
CASES = {
    "resnet18": Case(
        from_timm("resnet18", layers=(1, 1, 1, 2), drop_rate=0.3), ("layer4.0", "layer4.1"), drops=True, leads=True
    ),
    "resnet50": Case(from_timm("resnet50"), ("layer4.0", "layer4.1", "layer4.2")),
    "convnext": Case(
        from_timm("convnext_atto", depths=(1, 1, 1, 2)), ("stages.3.blocks.0", "stages.3.blocks.1"), leads=True
    ),
    "efficientnet": Case(from_timm("efficientnet_b0"), ("blocks.5.0", "blocks.6.0")),
    "mobilenetv3": Case(from_timm("mobilenetv3_small_050"), ("blocks.4.0", "blocks.4.2")),
    "regnet": Case(from_timm("regnety_002"), ("s4.b1", "s4.b7")),
    "densenet": Case(
        from_timm("densenet121", block_config=(2, 2, 2, 2)),
        ("features.denseblock3", "features.denseblock4.denselayer1"),
    ),
    "res2net": Case(from_timm("res2net50_26w_4s", layers=(1, 1, 1, 2)), ("layer4.0", "layer4.1")),
    "ghostnet": Case(from_timm("ghostnet_050", drop_rate=0.2), ("blocks.8.0", "blocks.8.1"), drops=True),
    "swin": Case(
        from_timm("swin_tiny_patch4_window7_224", **SWIN), ("layers.2.blocks.1", "layers.3.blocks.0"), 56, leads=True
    ),
    "vit": Case(from_timm("vit_tiny_patch16_224", **VIT), ("blocks.0", "blocks.1"), 32, leads=True),
    "vit with registers": Case(from_timm("vit_tiny_patch16_224", **VIT, reg_tokens=4), ("blocks.1",), 32),
    "hrnet": Case(from_timm("hrnet_w18_small"), ("stage2", "stage4")),
    "torchvision resnet": Case(resnet_of_torchvision, ("layer3.1", "layer4.1")),
    "torchvision swin": Case(swin_of_torchvision, ("features.1.0", "features.3.0"), 32),
    "torchvision lraspp": Case(lraspp_of_torchvision, ("backbone.13.block.0", "backbone.16")),
    "by hand": Case(EncoderDecoder, ("encoder", "decoder.reduce"), 32, drops=True, leads=True),
}

NAMES = relatives(CASES, [name for name, case in CASES.items() if case.leads])


class Same(nn.Module):
    """Fuses nothing."""

    def forward(self, xs: list[Tensor], prefix: Sequence[Tensor] = ()) -> list[Tensor]:
        return [*xs, *prefix]


def branches_of(case: Case) -> dict[str, nn.Module]:
    return {"b": case.make(3), "a": case.make(5).eval()}


def state_of(branches: dict[str, nn.Module]) -> tuple[object, ...]:
    """Modes, parameters by identity, and every value."""
    modules = [module for branch in branches.values() for module in branch.modules()]
    modes = [module.training for module in modules]
    parameters = [id(parameter) for module in modules for parameter in module.parameters()]
    values = [value.sum().item() for branch in branches.values() for value in branch.state_dict().values()]
    return modes, parameters, values, torch.get_rng_state().tolist()


def quiet_afa(channels: int, **options: object) -> AFA:
    with torch.random.fork_rng():
        return AFA(channels, **options)


@cache
def woven_from(name: str) -> tuple[Woven, bool]:
    """The woven network, and whether its branches and the random numbers are as they were before."""
    torch.manual_seed(0)
    case = CASES[name]
    branches = branches_of(case)
    before = state_of(branches)
    woven = weave(branches, case.at[::-1], quiet_afa, example=(1, 3, case.size, case.size))
    adopted = {task: getattr(woven.branches, task) for task in branches}
    return woven, before == state_of(adopted)


def tensors(output: object) -> list[Tensor]:
    return list(output.values()) if isinstance(output, dict) else [output]


def image_of(case: Case) -> Tensor:
    return torch.rand(2, 3, case.size, case.size)


@pytest.mark.parametrize("name", NAMES)
class TestWovenNetworks:
    """What must hold for AFA in any network."""

    @pytest.fixture
    def case(self, name: str) -> Case:
        return CASES[name]

    @pytest.fixture
    def woven(self, name: str) -> Woven:
        return copy.deepcopy(woven_from(name)[0]).eval()

    def test_weaving_leaves_the_branches_and_the_seed_as_they_were(self, name: str) -> None:
        assert woven_from(name)[1]

    def test_without_points_the_outputs_are_the_branches_own_in_both_modes(self, case: Case) -> None:
        branches = branches_of(case)
        woven, image = weave(branches, [], AFA), image_of(case)
        for training in (True, False):
            woven.train(training)
            torch.manual_seed(1)
            alone = [branch(image) for branch in branches.values()]
            torch.manual_seed(1)
            for output, own in zip(woven(image).values(), alone, strict=True):
                assert all(torch.equal(*pair) for pair in zip(tensors(output), tensors(own), strict=True))

    def test_outputs_are_in_order_and_shaped_as_the_branches_own(self, case: Case, woven: Woven) -> None:
        image = image_of(case)
        outputs = woven(image)
        assert list(outputs) == ["b", "a"] == woven.tasks
        for task, output in outputs.items():
            alone = tensors(getattr(woven.branches, task)(image))
            assert [x.shape for x in tensors(output)] == [x.shape for x in alone]

    def test_without_exchange_the_outputs_are_the_branches_own_bit_for_bit(self, case: Case, woven: Woven) -> None:
        for name, module in list(woven.named_modules()):
            if isinstance(module, AFA):
                woven.set_submodule(name, Same())
        image = image_of(case)
        for task, output in woven(image).items():
            alone = getattr(woven.branches, task)(image)
            assert all(torch.equal(*pair) for pair in zip(tensors(output), tensors(alone), strict=True))

    def test_names_are_the_branches_own_and_the_points(self, case: Case, woven: Woven) -> None:
        for task, outputs in {"b": 3, "a": 5}.items():
            prefix = f"branches.{task}."
            own = [key.removeprefix(prefix) for key in woven.state_dict() if key.startswith(prefix)]
            assert own == list(case.make(outputs).state_dict())
        fused = [name for name, module in woven.named_modules() if isinstance(module, AFA)]
        points = {point for point in case.at if any(f"{name}.".startswith(f"fusion.{point}.") for name in fused)}
        assert points == set(case.at)

    def test_training_reaches_every_parameter_and_drops_out(self, case: Case, woven: Woven) -> None:
        woven.train()
        image = image_of(case)
        for _ in range(2):
            outputs = woven(image)
            sum(x.square().sum() for output in outputs.values() for x in tensors(output)).backward()
            for layer in (module for module in woven.modules() if isinstance(module, AFA)):
                layer.sam.conv.weight.data.neg_()  # of a map and its negative, one at least passes the ReLU
        still = [name for name, p in woven.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not still
        idle = [name for name, p in woven.fusion.named_parameters() if not p.grad.any()]
        assert not idle
        if case.drops:
            assert not torch.equal(woven(image)["a"], woven(image)["a"])
            woven.eval()
            assert torch.equal(woven(image)["a"], woven(image)["a"])

    def test_copies_compute_the_same(self, case: Case, woven: Woven) -> None:
        image = image_of(case)
        expected = woven(image)
        restored = copy.deepcopy(woven)
        for parameter in restored.parameters():
            nn.init.zeros_(parameter)
        restored.load_state_dict(woven.state_dict())
        for copied in (restored, pickle.loads(pickle.dumps(woven))):
            assert copied.tasks == woven.tasks
            for task, output in copied(image).items():
                assert all(torch.equal(*pair) for pair in zip(tensors(output), tensors(expected[task]), strict=True))

    def test_autocast_and_other_precisions(self, case: Case, woven: Woven) -> None:
        image = image_of(case)
        with torch.autocast("cpu", torch.bfloat16):
            assert all(x.isfinite().all() for y in woven(image).values() for x in tensors(y))
        doubled = woven.double()(image.double())
        assert all(x.dtype == torch.float64 for y in doubled.values() for x in tensors(y))


@pytest.mark.parametrize("name", NAMES)
def test_it_exports_and_compiles_as_one_graph(name: str) -> None:
    woven, image = woven_from(name)[0].eval(), image_of(CASES[name])
    expected = woven(image)
    assert_close(torch.export.export(woven, (image,)).module()(image), expected)
    assert_close(torch.compile(woven, fullgraph=True, backend="aot_eager")(image), expected)


def assert_close(actual: dict[str, object], expected: dict[str, object]) -> None:
    assert list(actual) == list(expected)
    for task in expected:
        torch.testing.assert_close(tensors(actual[task]), tensors(expected[task]), rtol=1e-3, atol=1e-4)
