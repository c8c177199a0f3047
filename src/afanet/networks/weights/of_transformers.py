"""How transformers names the tensors of its networks."""

from __future__ import annotations

import re

import torch

from afanet.networks.weights.layout import KeyLayout, Tensors

# Blocks of transformers' ViTs, in files from before version 5 and since.
_BLOCKS = (
    (r"^(?:model\.)?(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.(?:attention|self)\.(q)uery\.|\.attention\.(?:attention|self)\.(k)ey\.", r".attn.\1\2."),
    (r"\.attention\.(?:attention|self)\.value\.", ".attn.v."),
    (r"\.(?:attention|self_attn)\.([qkv])_proj\.", r".attn.\1."),
    (r"\.(?:attention\.output\.dense|attention\.o_proj|self_attn\.out_proj)\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.(?:layernorm_before|layer_norm1)\.", ".norm1."),
    (r"\.(?:layernorm_after|layer_norm2)\.", ".norm2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
)
_VIT = (
    (r"^embeddings\.patch_embeddings?\.(?:projection\.)?", "patch_embed.proj."),
    (r"^embeddings\.(?:cls_token|class_embedding)$", "cls_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.(mask_token|register_tokens)$", r"\1"),
    (r"^embeddings\.position_embeddings?(?:\.weight)?$", "pos_embed"),
    *_BLOCKS,
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"^(?:post_)?layernorm\.", "norm."),
    (r"^pre_layrnorm\.", "norm_pre."),
)


def fused(state: Tensors) -> Tensors:
    """The tensors, with separate queries, keys and values joined into one tensor; a missing bias counts as zero.

    >>> state = {f"attn.{part}.weight": torch.ones(2, 3) for part in "qkv"} | {"attn.q.bias": torch.ones(2)}
    >>> {name: tuple(tensor.shape) for name, tensor in fused(state).items()}
    {'attn.qkv.weight': (6, 3), 'attn.qkv.bias': (6,)}
    """
    whole: Tensors = {}
    for name, tensor in state.items():
        stem, part, kind = (*name.rsplit(".", 2), "", "")[:3]
        if part not in ("q", "k", "v"):
            whole[name] = tensor
            continue
        parts = [state.get(f"{stem}.{letter}.{kind}") for letter in "qkv"]
        if kind == "bias":
            parts = [torch.zeros_like(tensor) if x is None else x for x in parts]
        present = [x for x in parts if x is not None]
        whole |= {f"{stem}.qkv.{kind}": torch.cat(present)} if len(present) == 3 else {name: tensor}
    return whole


def _with_gates(state: Tensors) -> Tensors:
    """The tensors, with the gates of an MLP and the values that they gate joined into one, as in DINOv2's release."""
    for name in [name for name in state if ".mlp.gate_proj." in name]:
        state[name.replace("gate_proj", "w12")] = torch.cat([state.pop(name), state.pop(name.replace("gate", "up"))])
    return {name.replace(".mlp.down_proj.", ".mlp.w3."): tensor for name, tensor in state.items()}


def _vit(state: Tensors) -> Tensors:
    """Tokens as (1, N, C), as timm has them; timm recognises DINOv2 by its mask token, so one is added."""
    state = _with_gates(fused(state))
    for name in ("cls_token", "pos_embed"):
        if name in state:
            state[name] = state[name].reshape(1, -1, state[name].shape[-1])
    if "register_tokens" in state or any(".mlp.w12." in name for name in state):
        state.setdefault("mask_token", torch.zeros(1))
    return state


def _dinov3(state: Tensors) -> Tensors:
    """Renames the MLP's layers: it has gates, or only two layers under the same names."""
    gated = any(".mlp.gate_proj." in name for name in state)
    names = {"gate_proj": "w1", "up_proj": "w2", "down_proj": "w3"} if gated else {"up_proj": "fc1", "down_proj": "fc2"}
    pattern = rf"\.mlp\.({'|'.join(names)})\."
    return fused({re.sub(pattern, lambda m: f".mlp.{names[m[1]]}.", name): x for name, x in state.items()})


TRANSFORMERS = (
    KeyLayout(
        "transformers' Swin",
        r"embeddings\.patch_embeddings\.projection\.weight",
        r"encoder\.layers\.0\.blocks\.0\.attention\.",
        (
            (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
            (r"^embeddings\.norm\.", "patch_embed.norm."),
            (r"^encoder\.layers\.", "layers."),
            (r"\.attention\.(?:self|relative_position_bias)\.(relative_position_bias_table)$", r".attn.\1"),
            *_BLOCKS[1:],
            (r"^layernorm\.", "norm."),
        ),
        fused,
    ),
    KeyLayout(
        "transformers' ConvNeXt",
        r"embeddings\.patch_embeddings\.weight",
        r"encoder\.stages\.0\.layers\.0\.dwconv\.",
        (
            (r"^embeddings\.patch_embeddings\.", "downsample_layers.0.0."),
            (r"^embeddings\.layernorm\.", "downsample_layers.0.1."),
            (r"^encoder\.stages\.(\d+)\.layers\.", r"stages.\1."),
            (r"^encoder\.stages\.(\d+)\.downsampling_layer\.", r"downsample_layers.\1."),
            (r"\.layer_scale_parameter$", ".gamma"),
            (r"\.grn\.weight$", ".grn.gamma"),
            (r"\.grn\.bias$", ".grn.beta"),
            (r"\.layernorm\.", ".norm."),
            (r"^layernorm\.", "norm."),
        ),
    ),
    KeyLayout(
        "transformers' ResNet",
        r"embedder\.embedder\.convolution\.weight",
        r"encoder\.stages\.0\.layers\.0\.layer\.0\.convolution\.",
        (
            (r"^embedder\.embedder\.convolution\.", "conv1."),
            (r"^embedder\.embedder\.normalization\.", "bn1."),
            *((rf"^encoder\.stages\.{stage}\.layers\.", f"layer{stage + 1}.") for stage in range(4)),
            *((rf"\.layer\.{i}\.convolution\.", f".conv{i + 1}.") for i in range(3)),
            *((rf"\.layer\.{i}\.normalization\.", f".bn{i + 1}.") for i in range(3)),
            (r"\.shortcut\.convolution\.", ".downsample.0."),
            (r"\.shortcut\.normalization\.", ".downsample.1."),
        ),
    ),
    KeyLayout(
        "transformers' DINOv3",
        r"embeddings\.patch_embeddings\.weight",
        r"\blayer\.0\.attention\.q_proj\.",
        (
            (r"^embeddings\.patch_embeddings\.", "patch_embed.proj."),
            (r"^embeddings\.register_tokens$", "storage_tokens"),
            (r"^embeddings\.", ""),
            *_BLOCKS,
        ),
        _dinov3,
    ),
    KeyLayout(
        "transformers' ViT",
        r"embeddings\.patch_embedding(?:s\.projection)?\.weight",
        r"\blayers?\.0\.(?:attention|self_attn)\.(?:attention\.query|q_proj)\.weight$",
        _VIT,
        _vit,
    ),
)
