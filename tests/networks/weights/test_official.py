"""Files as the first authors of networks released them, by the names in their repositories, load into timm's body."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from afanet import InputError
from afanet.networks.weights import fill

from .networks import CONVNEXT, SIZE, SMALL, SWIN, randomised

Tensors = dict[str, Tensor]
IMAGE = torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
VIT = ("vit_tiny_patch16_224", SMALL | {"num_classes": 0})
DINOV2 = SMALL | {"num_classes": 0, "patch_size": 16}


def with_prefix(prefix: str, state: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in state.items()}


def dino(state: Tensors) -> object:
    """A checkpoint of DINO's training: what is useful is the teacher's backbone."""
    head = {"head.mlp.0.weight": torch.ones(4, 32)}
    student = with_prefix("module.backbone.", {name: torch.zeros_like(x) for name, x in state.items()})
    teacher = with_prefix("backbone.", state) | head
    return {"student": student, "teacher": teacher, "epoch": 3, "args": Namespace(arch="vit_tiny", lr=0.1)}


def mae(state: Tensors) -> object:
    decoder = {"mask_token": torch.ones(1, 1, 8), "decoder_pos_embed": torch.ones(1, 17, 8)}
    decoder |= {"decoder_blocks.0.norm1.weight": torch.ones(8), "decoder_embed.weight": torch.ones(8, 32)}
    return {"model": state | decoder, "optimizer": {"state": {}}, "epoch": 3, "args": Namespace(model="mae_vit")}


def dinov2(state: Tensors) -> object:
    return state | {"mask_token": torch.ones(1, 32)}


def dinov2_in_chunks(state: Tensors) -> object:
    """Large ones, whose blocks are in chunks."""
    return dinov2({re.sub(r"^blocks\.(\d+)\.", r"blocks.0.\1.", name): x for name, x in state.items()})


def dinov2_with_registers(state: Tensors) -> object:
    """The class token has a position of its own, which timm adds to the token."""
    position = torch.full((1, 1, 32), 0.25)
    rest = {name: x for name, x in state.items() if name not in ("reg_token", "cls_token", "pos_embed")}
    return dinov2(
        rest
        | {
            "register_tokens": state["reg_token"],
            "cls_token": state["cls_token"] - position,
            "pos_embed": torch.cat([position, state["pos_embed"]], 1),
        }
    )


def dinov2_with_gates(state: Tensors) -> object:
    return dinov2({name.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): x for name, x in state.items()})


def dinov3(state: Tensors) -> object:
    """Keys have a bias that a mask takes away."""
    released: Tensors = {"mask_token": torch.ones(1, 32), "rope_embed.periods": torch.ones(4)}
    for name, tensor in state.items():
        layer, _, part = name.rpartition(".")
        if part in ("q_bias", "v_bias"):
            stem = name.removesuffix(part)
            q, v = state[f"{stem}q_bias"], state[f"{stem}v_bias"]
            released |= {f"{layer}.qkv.bias": torch.cat([q, torch.ones_like(q), v])}
            released |= {f"{layer}.qkv.bias_mask": torch.ones(3 * len(q))}
        elif part in ("gamma_1", "gamma_2"):
            released[f"{layer}.ls{part[-1]}.gamma"] = tensor
        else:
            released[name.replace("reg_token", "storage_tokens")] = tensor
    return released


def swin(state: Tensors) -> object:
    """A stage is followed by its downsampling, which timm has at the beginning of the next."""
    moved = {
        re.sub(r"^layers\.(\d+)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", name): tensor
        for name, tensor in state.items()
    }
    return {"model": moved | {"layers.0.blocks.0.attn.relative_position_index": torch.ones(16, 16)}}


def convnext(state: Tensors) -> object:
    renamed = {}
    for own, tensor in state.items():
        name = re.sub(r"^stem\.", "downsample_layers.0.", own)
        name = re.sub(r"^stages\.(\d+)\.downsample\.", r"downsample_layers.\1.", name)
        name = name.replace(".blocks.", ".").replace("conv_dw", "dwconv").replace("mlp.fc", "pwconv")
        renamed[name.replace("head.norm.", "norm.")] = tensor
    return {"model": renamed}


def sam(state: Tensors) -> object:
    encoder = {name.replace("mlp.fc", "mlp.lin"): tensor for name, tensor in state.items()}
    return with_prefix("image_encoder.", encoder) | {"mask_decoder.iou_token.weight": torch.ones(1, 8)}


CASES: dict[str, tuple[str, dict[str, Any], Callable[[Tensors], object]]] = {
    "DINO": (*VIT, dino),
    "DINO, the teacher alone": (*VIT, lambda state: with_prefix("module.", state)),
    "DINO, ResNet": ("resnet18", {"num_classes": 0}, dino),
    "MAE": (*VIT, mae),
    "DINOv2": ("vit_small_patch14_dinov2", DINOV2, dinov2),
    "DINOv2, in chunks": ("vit_small_patch14_dinov2", DINOV2, dinov2_in_chunks),
    "DINOv2, with registers": ("vit_small_patch14_reg4_dinov2", DINOV2, dinov2_with_registers),
    "DINOv2, with gates": ("vit_giant_patch14_dinov2", DINOV2, dinov2_with_gates),
    "DINOv2, both networks of its training": (
        "vit_small_patch14_dinov2",
        DINOV2,
        lambda state: (
            with_prefix("student.backbone.", {name: x + 1 for name, x in state.items()})
            | with_prefix("teacher.backbone.", state)
        ),
    ),
    "DINOv3": ("vit_small_patch16_dinov3_qkvb", SMALL | {"num_classes": 0}, dinov3),
    "SAM": (
        "samvit_base_patch16",
        SMALL | {"global_attn_indexes": (1,), "window_size": 2, "neck_chans": 16, "num_classes": 0},
        sam,
    ),
    "Swin": ("swin_tiny_patch4_window7_224", SWIN | {"num_classes": 0}, swin),
    "ConvNeXt": ("convnext_tiny", CONVNEXT | {"num_classes": 0}, convnext),
}


def built(name: str, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = timm.create_model(name, **options).eval()
    return network


@pytest.mark.parametrize(("name", "options", "release"), CASES.values(), ids=CASES)
@torch.no_grad()
def test_a_release_computes_the_same(
    name: str, options: dict[str, Any], release: Callable[[Tensors], object], tmp_path: Path
) -> None:
    released = randomised(built(name, options))
    torch.save(release(released.state_dict()), tmp_path / "released.pth")
    ours = built(name, options)
    report = fill(ours, name, str(tmp_path / "released.pth"))
    assert report.missing == ()
    torch.testing.assert_close(ours(IMAGE), released(IMAGE), rtol=1e-5, atol=1e-5)


def test_positions_are_resampled_to_the_size_of_the_backbone(tmp_path: Path) -> None:
    """A plane over the image stays a plane."""
    released = randomised(built(*VIT))
    ramp = torch.linspace(-1, 1, 4)
    plane = (2 * ramp[:, None] + ramp).reshape(1, 16, 1).expand(1, 16, 32)
    state = released.state_dict()
    state["pos_embed"] = torch.cat([torch.full((1, 1, 32), 5.0), plane], 1)
    torch.save(dinov2(state), tmp_path / "released.pth")
    ours = built("vit_tiny_patch16_224", SMALL | {"img_size": (8 * 16, 6 * 16), "num_classes": 0})
    report = fill(ours, "vit_tiny_patch16_224", str(tmp_path / "released.pth"))
    assert report.missing == ()
    assert report.unused == ("mask_token",)
    positions = ours.get_parameter("pos_embed")
    assert torch.equal(positions[:, 0], torch.full((1, 32), 5.0))
    grid = positions[0, 1:, 0].reshape(8, 6)
    tall, wide = ((torch.arange(n) + 0.5) / n * 4 - 0.5 for n in (8, 6))
    expected = 2 * (tall / 1.5 - 1)[:, None] + (wide / 1.5 - 1)
    torch.testing.assert_close(grid[2:-2, 2:-2], expected[2:-2, 2:-2], rtol=0, atol=0.1)


def test_tables_of_positions_in_windows_are_resized(tmp_path: Path) -> None:
    name, options = "swin_tiny_patch4_window7_224", SWIN | {"num_classes": 0}
    torch.save(swin(randomised(built(name, options)).state_dict()), tmp_path / "released.pth")
    smaller = built(name, options | {"window_size": 2})
    assert fill(smaller, name, str(tmp_path / "released.pth")).missing == ()
    assert smaller.get_parameter("layers.0.blocks.0.attn.relative_position_bias_table").shape == (9, 2)


def test_two_equal_networks_in_a_file_are_refused(tmp_path: Path) -> None:
    state = built(*VIT).state_dict()
    torch.save(with_prefix("depth.", state) | with_prefix("scene.", state), tmp_path / "two.pth")
    with pytest.raises(
        InputError, match=r"two.pth holds 2 networks, under '?depth., scene.'?: save the tensors of one"
    ):
        fill(built(*VIT), "vit_tiny_patch16_224", str(tmp_path / "two.pth"))


def test_a_bias_that_the_backbone_does_not_have_is_reported(tmp_path: Path) -> None:
    with_bias = randomised(built("vit_small_patch16_dinov3_qkvb", SMALL | {"num_classes": 0}))
    torch.save(dinov3(with_bias.state_dict()), tmp_path / "released.pth")
    without = built("vit_small_patch16_dinov3", SMALL | {"num_classes": 0})
    report = fill(without, "vit_small_patch16_dinov3", str(tmp_path / "released.pth"))
    assert {"blocks.0.attn.qkv.bias", "blocks.1.attn.qkv.bias"} <= set(report.unused)
