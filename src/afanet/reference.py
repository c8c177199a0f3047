"""The original authors' checkpoints as our networks and layers, recognised by the names of their tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.fusion import AFA
from afanet.networks import Dense, Output, Pooled, Woven, create_network
from afanet.networks.weights import read_state_dict, tensors_by_name

Source = str | Path | Mapping[str, Tensor]

# ours, a part of a branch -> the original's
_HEAD = [
    (r"aspp\.convs\.(\d)\.0\.", lambda m: f"aspp.aspp{int(m[1]) + 1}.atrous_conv."),
    (r"aspp\.convs\.(\d)\.1\.", lambda m: f"aspp.aspp{int(m[1]) + 1}.bn."),
    (r"aspp\.pool\.", lambda m: "aspp.global_avg_pool."),
    (r"aspp\.project\.0\.", lambda m: "aspp.conv1."),
    (r"aspp\.project\.1\.", lambda m: "aspp.bn1."),
    (r"low\.0\.", lambda m: "decoder.conv1."),
    (r"low\.1\.", lambda m: "decoder.bn1."),
    (r"refine\.", lambda m: "decoder.last_conv."),
]

# ours is a single tensor (to, from, ...): A to A, A from B, B from A, B to B
_STITCHES = ["A_weight_same", "A_weight_diff", "B_weight_diff", "B_weight_same"]


@dataclass(frozen=True)
class _Original:
    """One of the ten networks, as its keys describe it."""

    pixel: bool
    method: str
    backbone: str
    grid: tuple[int, int]  # of the spatial gates, if it has any

    @property
    def outputs(self) -> dict[str, Output]:
        return {"segmentation": Dense(40), "depth": Dense(1)} if self.pixel else {"gender": Pooled(2), "age": Pooled(8)}

    def build(self) -> Woven:
        height, width = self.grid
        if self.pixel:
            size = (16 * (height - 1) + 1, 16 * (width - 1) + 1)
            return create_network(
                self.method, self.outputs, self.backbone, size=size, output_stride=16, multi_grid=(1, 2, 4)
            )
        return create_network(self.method, self.outputs, self.backbone, size=(32 * height, 32 * width))


def load_reference_network(source: Source) -> Woven:
    """The network in a checkpoint of the original code, with its weights, in eval mode.

    The keys decide which of the ten it is (single task, hard sharing, cross-stitch, NDDR, AFA; pixel or image).
    Outputs are named "segmentation" and "depth", or "gender" and "age".

    Args:
        source: a path, read without unpickling code, or the state dict itself.

    Raises:
        InputError: if keys fit none of the ten, are missing or left over, or shapes disagree.

    The networks compute the same as the original's; see the parity tests. The original's cross-stitch and NDDR networks
    register a single down-sampling module in both branches; ours has a module per branch, with the same weights.
    """
    state = _state(source)
    original = _recognise(state)
    network = original.build()
    theirs_by_ours = {ours: _theirs(original, ours) for ours in network.state_dict()}
    wanted = {key for keys in theirs_by_ours.values() for key in keys}
    missing, left = sorted(wanted - state.keys()), sorted(state.keys() - wanted)
    if missing or left:
        kind = "pixel" if original.pixel else "image"
        key, fault = (missing[0], "lacks") if missing else (left[0], "has the unexpected")
        raise InputError(
            f"the checkpoint looks like the original's {kind} {original.method} network on {original.backbone}, "
            f"but {fault} tensor '{key}' ({len(missing)} missing, {len(left)} left over)"
        )
    own = network.state_dict()
    loaded = {
        ours: _assembled(own[ours], ours, [state[key] for key in keys], keys) for ours, keys in theirs_by_ours.items()
    }
    network.load_state_dict(loaded)
    return network.eval()


def load_reference_layer(source: Source, size: Sequence[int] | None = None, protect: Collection[int] = ()) -> AFA:
    """An AFA layer of the original code, in the dtype of its tensors.

    Args:
        source: the layer's state (keys ``cam.*`` and ``sam.*``), or the path of a file that holds it.
        size: (H, W) of the layer's features; None means square.
        protect: branches, counted from 0, that always keep their own gradient.

    Raises:
        InputError: if keys are missing or left over, or shapes disagree with each other or with `size`.
    """
    state = _state(source)
    names = {"cam.W.weight": "cam.fc", "cam.P": "cam.trans", "sam.conv.weight": "sam.conv", "sam.Q": "sam.trans"}
    keys = {
        ours: [f"{theirs}1.weight", f"{theirs}2.weight"] if theirs.endswith("trans") else [f"{theirs}.weight"]
        for ours, theirs in names.items()
    }
    wanted = {key for pair in keys.values() for key in pair}
    if wanted != state.keys():
        odd = sorted(wanted ^ state.keys())[0]
        raise InputError(
            f"an AFA layer of the original has the tensors {', '.join(sorted(wanted))}: this source "
            f"{'lacks' if odd in wanted else 'also has'} '{odd}'"
        )
    channels, pixels = state["cam.trans1.weight"].shape[0], state["sam.trans1.weight"].shape[0]
    grid = _square(pixels) if size is None else (int(size[0]), int(size[1]))
    if grid[0] * grid[1] != pixels:
        raise InputError(f"the layer's spatial gates are for {pixels} pixels, size={grid} has {grid[0] * grid[1]}")
    # A bare number must reach the guard, which refuses it.
    guarded = isinstance(protect, int) or len(protect) > 0
    layer = AFA(channels, size=grid, limit=0.0 if guarded else math.inf, protect=protect if guarded else None)
    if layer.sam.grid != grid:
        raise InputError(f"the layer's {grid[0]}x{grid[1]} pixels are more than the 20 a side that AFA gates densely")
    own = layer.state_dict()
    loaded = {ours: _assembled(own[ours], ours, [state[key] for key in pair], pair) for ours, pair in keys.items()}
    layer.to(state["cam.fc.weight"].dtype).load_state_dict(loaded)
    return layer


def _state(source: Source) -> Mapping[str, Tensor]:
    return tensors_by_name(source, "the state dict") if isinstance(source, Mapping) else read_state_dict(source)


def _recognise(state: Mapping[str, Tensor]) -> _Original:
    pixel = any(key.startswith("backbone.") for key in state)
    names = " ".join(state)
    blocks = {int(number) for number in re.findall(r"layer3\.(\d+)\.", names)}
    backbone = {6: "resnet50", 23: "resnet101"}.get(len(blocks))
    if "A_conv1.weight" not in names:
        method = "hard"
    else:
        marks = {"cross_stitch": "Cross_1.", "nddr": "NDDR_1.", "afa": ".afa_cam."}
        method = next((method for method, mark in marks.items() if mark in names), "single")
    if backbone is None or not ("A_aspp" in names or "A_fc" in names):
        raise InputError(
            "the checkpoint is none of the original's networks: expected names such as 'layer3.0.A_conv1.weight', "
            f"its first is '{next(iter(state), None)}'"
        )
    gates = next((tensor for key, tensor in state.items() if key.endswith("afa_sam.sam.trans1.weight")), None)
    grid = (19, 19) if pixel else (7, 7)
    return _Original(pixel, method, backbone, grid if gates is None else _square(gates.shape[0]))


def _square(pixels: int) -> tuple[int, int]:
    side = math.isqrt(pixels)
    if side * side != pixels:
        raise InputError(f"the spatial gates are for {pixels} pixels, which is not a square: pass size=(height, width)")
    return side, side


def _theirs(original: _Original, ours: str) -> list[str]:
    """The names of the original's tensors that form a tensor of ours."""
    trunk = "backbone." if original.pixel else ""
    if ours.startswith("fusion."):
        return [trunk + name for name in _fusion_names(ours, original)]
    _, task, part, rest = ours.split(".", 3)
    letter = "AB"[list(original.outputs).index(task)] + "_"
    if part == "backbone":
        if original.method == "hard":
            return [trunk + rest]
        return [trunk + re.sub(r"^(layer\d\.\d+\.)?", lambda m: (m[1] or "") + letter, rest)]
    if rest.startswith("logits."):
        return [letter + ("decoder.my_classify." if original.pixel else "fc.") + rest.removeprefix("logits.")]
    for pattern, theirs in _HEAD:
        rest, changed = re.subn(f"^{pattern}", theirs, rest)
        if changed:
            break
    return [letter + rest]


def _fusion_names(ours: str, original: _Original) -> list[str]:
    point = ours.removeprefix("fusion.backbone.")
    if original.method == "afa":
        stage, block, module, tensor = point.split(".", 3)
        stem = f"{stage}.{block}.afa_{module}.{module}."
        return {
            "W.weight": [stem + "fc.weight"],
            "conv.weight": [stem + "conv.weight"],
        }.get(tensor, [stem + "trans1.weight", stem + "trans2.weight"])
    layer, rest = point.split(".", 1)
    stage = layer[-1]
    if original.method == "cross_stitch":
        return [f"Cross_{stage}.{weights}" for weights in _STITCHES]
    kind, branch, tensor = rest.split(".")
    return [f"NDDR_{stage}.{'nddr' if kind == 'convs' else 'bn'}_{int(branch) + 1}.{tensor}"]


def _assembled(own: Tensor, ours: str, tensors: Sequence[Tensor], keys: Sequence[str]) -> Tensor:
    """A tensor of ours, assembled from the original's tensors."""
    # One tensor is the whole of ours, two are stacked along its first axis, four along its first two axes.
    part = own.shape[len(keys) // 2 :]
    for key, tensor in zip(keys, tensors, strict=True):
        if tensor.shape != part:
            raise InputError(f"tensor '{key}' has the shape {tuple(tensor.shape)}, but '{ours}' needs {tuple(part)}")
    return torch.stack(list(tensors)).reshape(own.shape)
