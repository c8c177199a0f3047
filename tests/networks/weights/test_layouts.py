"""Networks of torchvision and transformers compute the same in timm's body, once their files are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.weights import fill

from .networks import CASES, SIZE, VIT, Case, randomised

IMAGE = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
# of a pooling that no features use
BEYOND = ("classifier.", "conv_head.", "attn_pool.")


def sources(network: Any, folder: Path) -> list[str]:
    """The network's weights sorted by name and, where its package saves them under other names, in a folder too."""
    save_file(network.state_dict(), folder / "own.safetensors")
    if not hasattr(network, "save_pretrained"):
        return [str(folder / "own.safetensors")]
    network.save_pretrained(folder / "saved")
    return [str(folder / "own.safetensors"), f"local-dir:{folder / 'saved'}"]


def assert_equal_but_for_rounding(ours: Tensor, theirs: Tensor) -> None:
    if ours.dim() == 4 and theirs.dim() == 3:  # (B, H, W, C) and tokens
        ours = ours.flatten(1, 2)
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().max()) <= 1e-5 * max(1.0, float(theirs.abs().max()))


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
@torch.no_grad()
def test_a_network_of_others_computes_the_same_here(case: Case, tmp_path: Path) -> None:
    theirs = randomised(case.theirs())
    answer = case.answer(theirs, IMAGE)
    for source in sources(theirs, tmp_path):
        ours = case.ours_built()
        report = fill(ours, case.ours, source)
        assert [name for name in report.missing if not name.startswith(BEYOND)] == []
        assert_equal_but_for_rounding(case.answered(ours, IMAGE), answer)


BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_tiny_patch16_224": (
        "ViT",
        VIT | {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768},
    ),
    "convnext_atto": ("ConvNext", {"hidden_sizes": [40, 80, 160, 320], "depths": [2, 2, 6, 2]}),
    "resnet18": ("ResNet", {"layer_type": "basic", "depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 256, 512]}),
}


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_a_backbone_gives_the_features_of_a_network_of_transformers(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    kind, options = BACKBONES[name]
    config = getattr(transformers, f"{kind}Config")(**options)
    theirs: Any = randomised(getattr(transformers, f"{kind}Model")(config))
    theirs.save_pretrained(tmp_path)
    backbone = Backbone(name, weights=f"local-dir:{tmp_path}", size=(SIZE, SIZE)).eval()
    assert "missing: none" in backbone.weights_report
    output = theirs(IMAGE, output_hidden_states=True)
    answer = output.hidden_states[-1]
    if kind == "ViT":
        answer = output.last_hidden_state[:, 1:].mT.reshape(1, 192, SIZE // 16, SIZE // 16)
    assert_equal_but_for_rounding(backbone(IMAGE)[-1], answer)


@torch.no_grad()
def test_a_backbone_of_windows_gives_the_features_of_torchvision(tmp_path: Path) -> None:
    theirs: Any = randomised(pytest.importorskip("torchvision").models.swin_t())
    torch.save(theirs.state_dict(), tmp_path / "swin.pth")
    name, image = "swin_tiny_patch4_window7_224", torch.randn(1, 3, 224, 224)
    backbone = Backbone(name, weights=str(tmp_path / "swin.pth")).eval()
    assert_equal_but_for_rounding(backbone(image)[-1], theirs.features(image).permute(0, 3, 1, 2))
