"""Networks of torchvision and transformers compute the same in timm's body, once their files are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from afanet.networks.weights import fill

from .networks import CASES, SIZE, Case, randomised

IMAGE = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
# of a pooling that no features use
BEYOND = ("classifier.", "conv_head.", "attn_pool.")


def sources(network: Any, folder: Path) -> list[str]:
    """The network's weights as its package saves them, and as its owner would."""
    torch.save(network.state_dict(), folder / "own.pth")
    if hasattr(network, "save_pretrained"):
        network.save_pretrained(folder / "saved")
        return [str(folder / "own.pth"), f"local-dir:{folder / 'saved'}"]
    save_file(network.state_dict(), folder / "own.safetensors")  # sorted by name
    return [str(folder / "own.pth"), str(folder / "own.safetensors")]


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
