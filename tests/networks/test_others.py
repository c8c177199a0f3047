"""Networks of other packages weave: some of those that `benchmarks/others.py` tries, by its own check."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, weave

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SLOW = pytest.mark.slow
# a family, and whether its branches meet after the last block or after each stage
CASES = [
    ("transformers", "ViT", "each stage"),
    ("transformers", "DINOv2 with registers", "each stage"),
    pytest.param("transformers", "SigLIP vision", "each stage", marks=SLOW),
    pytest.param("transformers", "GLPN", "last block", marks=SLOW),
    pytest.param("transformers", "DPT", "each stage", marks=SLOW),
    pytest.param("transformers", "UperNet", "each stage", marks=SLOW),
    pytest.param("transformers", "SegFormer", "each stage", marks=SLOW),
    pytest.param("transformers", "Swin", "each stage", marks=SLOW),
    ("torchvision", "MaxViT", "last block"),
    ("segmentation_models_pytorch", "FPN", "each stage"),
    pytest.param("segmentation_models_pytorch", "DeepLabV3Plus", "last block", marks=SLOW),
    pytest.param("torchvision", "DeepLabv3, MobileNetV3", "each stage", marks=SLOW),
]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script."""
    pytest.importorskip("greenlet")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("others")


def pair(package: str, family: str) -> tuple[object, dict[str, nn.Module]]:
    """A family of a package that is installed, and two networks of it."""
    pytest.importorskip(package)
    chosen = importlib.import_module(f"families.of_{package}").FAMILIES[family]
    return chosen, {task: chosen.make().eval() for task in ("a", "b")}


@pytest.mark.parametrize(("package", "family", "where"), CASES)
def test_it_weaves(others: ModuleType, package: str, family: str, where: str) -> None:
    chosen, branches = pair(package, family)
    layers = [chosen.block] if where == "last block" else chosen.stages
    # the head of a ViT reads the class token alone, which the channel gates mix
    weaves = others.CLASS_TOKEN if family == "ViT" else others.WEAVES
    assert others.result_of(branches, layers, chosen.size) == weaves


def test_outputs_keep_their_class_and_train(others: ModuleType) -> None:
    _, branches = pair("transformers", "GLPN")
    network = weave(branches, ["glpn.encoder.block.2.0"], AFA, example=(1, 3, 64, 64)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    image = torch.rand(2, 3, 64, 64)
    losses = []
    for _ in range(3):
        outputs = network(image)
        assert [type(output).__name__ for output in outputs.values()] == ["DepthEstimatorOutput"] * 2
        loss = sum((output.predicted_depth - 2).square().mean() for output in outputs.values())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]


class Same(nn.Module):
    """A fusion layer that passes features through."""

    def __init__(self, channels: int, tasks: int, size: tuple[int, int]) -> None:
        super().__init__()

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return list(xs)


def test_a_branch_that_never_ran_before_collects_its_features_once(others: ModuleType) -> None:
    chosen, branches = pair("transformers", "DPT")  # adds hooks that collect features in its first pass
    network = weave(branches, list(chosen.stages), Same, example=(1, 3, 32, 32)).eval()
    image = torch.rand(2, 3, 32, 32)
    together = network(image)
    for task, branch in branches.items():
        assert torch.equal(together[task].predicted_depth, branch(image).predicted_depth)


class Aside(nn.Module):
    """A layer that is called for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Conv2d(3, 4, 3)
        self.main = nn.Conv2d(3, 4, 3)

    def forward(self, image: Tensor) -> Tensor:
        self.aside(image)
        return self.main(image).mean((2, 3))


def test_the_check_says_where_a_fusion_layer_learns_nothing_and_what_is_refused(others: ModuleType) -> None:
    branches = {"a": Aside(), "b": Aside()}
    result = others.result_of(branches, ["main", "aside"], 16)
    assert "NO GRADIENT" in result or "aside" in result
    assert "unknown layer" in others.result_of(branches, ["mian"], 16)


def test_the_page_counts_what_weaves(others: ModuleType) -> None:
    results = {"timm": {"A, last block": "weaves", "A, each stage": "no | way", "B, last block": "weaves"}}
    results["timm"]["B, each stage"] = "weaves"
    page = others.page(results)
    assert "| 4 | 3 |" in page
    assert "| A | weaves | no \\| way |" in page
