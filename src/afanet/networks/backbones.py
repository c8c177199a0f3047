"""Any timm network with stages as a backbone: the features of each stage from a stride of 4 on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import timm
from timm.models._features import FeatureListNet
from timm.models.efficientnet import EfficientNetFeatures
from timm.models.mobilenetv3 import MobileNetV3Features
from timm.models.regnet import RegStage
from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.networks.download import downloading, is_reachable, server
from afanet.networks.heads.head import Stage, taken
from afanet.networks.weights import load_weights

# Some of timm's, for a sentence that cannot name them all.
WELL_KNOWN = (
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "regnety_016",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
    "hrnet_w18",
)


class Backbone(nn.Module):
    """A timm network from its stem to its last stage, its layers under their own names.

    Forward takes images (B, C, H, W) and returns the features (B, C, H, W) of the stages in `takes`, counted from the
    first at a stride of 4: by default (low, high), those of the first and of the last. An identity follows the
    tap of the low-level features, so that branches that meet at this stage meet after the tap.

    Args:
        name: of a timm model.
        output_stride: 8, 16 or 32; below 32 the last stages are dilated instead of strided.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        weights: "none", "pretrained" (timm's, downloaded) or the path of a local file.
        size: (H, W) of the images, for networks that are built for one size.
        takes: the stages whose features forward returns, see :class:`~afanet.networks.Head`; None for all.
        in_chans: C, the channels of the images; timm fits pretrained weights for RGB to other numbers.

    Attributes:
        given: the channels and the stride of each stage.
        stages: the last layer of each stage, from that of the low-level features on.
        blocks: for each of these stages the last layers of its blocks; the last of them is the stage's own.
        weights_report: one line on what was loaded, empty for "none".

    Raises:
        InputError: for a name that timm does not have, a network without stages, or options that it cannot have.

    >>> import torch
    >>> backbone = Backbone("resnet18", output_stride=16)
    >>> [tuple(x.shape) for x in backbone(torch.rand(1, 3, 64, 96))]
    [(1, 64, 16, 24), (1, 512, 4, 6)]
    >>> backbone.stages
    ['after_layer1', 'layer2', 'layer3', 'layer4']
    >>> backbone.blocks[0], backbone.blocks[-1]
    (['layer1.0', 'after_layer1'], ['layer4.0', 'layer4.1'])
    """

    def __init__(
        self,
        name: str,
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        weights: str = "none",
        size: Sequence[int] = (224, 224),
        takes: tuple[int, ...] | None = (0, -1),
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        features = _timm_features(name, output_stride, weights == "pretrained", size, in_chans)
        info = features.feature_info.get_dicts()
        layer_of = {int(index): layer for layer, index in features.return_layers.items()}
        first = next((i for i, stage in enumerate(info) if stage["reduction"] >= 4), len(info) - 1)
        self.output_fmt = str(features.output_fmt.value)
        self.takes = takes
        self.low = layer_of[first]
        inner = range(first + 1, len(info) - 1)
        self.given = [Stage(info[i]["num_chs"], info[i]["reduction"]) for i in (first, *inner, -1)]
        self._taps = [layer_of[i] for i in (first, *inner)]  # and the final features
        self._layers: list[str] = []
        for layer, module in features.items():
            self._append(layer, module)
            if layer == self.low:
                self._append(f"after_{layer}", nn.Identity())
        after_tap = {self.low: f"after_{self.low}"}
        self.stages = [after_tap.get(layer_of[i], layer_of[i]) for i in range(first, len(info))]
        self.blocks = [_blocks(self, layer_of[i]) for i in range(first, len(info))]
        self.blocks[0][-1] = self.stages[0]
        if multi_grid is not None:
            _set_multi_grid(self, name, multi_grid, base=32 // output_stride)
        self.weights_report = f"{name}: timm's pretrained weights" if weights == "pretrained" else ""
        if weights not in ("none", "pretrained"):
            self.weights_report = load_weights(self, name, weights)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x, stages = image, []
        for layer in self._layers:
            x = self.get_submodule(layer)(x)
            if layer in self._taps:
                stages.append(x)
        features = taken([*stages, x], self.takes)
        if self.output_fmt == "NHWC":
            return tuple(x.permute(0, 3, 1, 2) for x in features)
        return features

    def _append(self, layer: str, module: nn.Module) -> None:
        self.add_module(layer, module)
        self._layers.append(layer)


def _timm_features(name: str, output_stride: int, pretrained: bool, size: Sequence[int], in_chans: int) -> Any:
    if not timm.is_model(name):
        raise unknown("backbone", name, timm.list_models(), WELL_KNOWN)
    options: dict[str, Any] = {} if output_stride == 32 else {"output_stride": output_stride}
    if in_chans != 3:
        options["in_chans"] = in_chans
    config = pretrained_config(name)
    if config is not None and config.fixed_input_size:
        options["img_size"] = tuple(size)
    try:
        with downloading() if pretrained else nullcontext():
            features = timm.create_model(name, pretrained=pretrained, features_only=True, **options)
            if isinstance(features, EfficientNetFeatures | MobileNetV3Features):
                # these families return a network of their own, unless these options split it into stages
                options["feature_cfg"] = {"feature_cls": "list", "flatten_sequential": True}
                features = timm.create_model(name, pretrained=pretrained, features_only=True, **options)
    except (OSError, ConnectionError) as error:
        reason = type(error).__name__ if is_reachable() else f"no network: {server()} is not known here"
        raise InputError(
            f"the pretrained weights of '{name}' could not be loaded ({reason}): give a local file as weights, or none"
        ) from error
    except (TypeError, ValueError, NotImplementedError, AssertionError, RuntimeError) as error:
        raise InputError(
            f"backbone '{name}' cannot be built with output stride {output_stride} "
            f"({str(error).strip() or 'refused by timm'}): try output_stride=32, or another backbone"
        ) from error
    if not isinstance(features, FeatureListNet):
        raise InputError(
            f"backbone '{name}' has no chain of stages to take features from: use one with stages, such as resnet50, "
            "or weave networks of your own with afanet.weave"
        )
    reached = features.feature_info.reduction()[-1]
    if output_stride < min(32, reached):  # some accept the option and ignore it
        raise InputError(
            f"backbone '{name}' cannot be built with output stride {output_stride} (its last stage stays at a stride "
            f"of {reached}): try output_stride=32, or another backbone"
        )
    return features


def pretrained_config(name: str) -> Any:
    """What timm knows of a network's pretrained weights; raises `InputError` for weights that it does not know."""
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError:
        architecture = name.partition(".")[0]
        known = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
        raise InputError(
            f"backbone '{name}' has weights that timm does not know, expected {architecture} alone or one of: {known}"
        ) from None


def _blocks(backbone: nn.Module, stage: str) -> list[str]:
    """The names of a stage's blocks in order; the stage's own name where it is not a chain of blocks."""
    module = backbone.get_submodule(stage)
    if isinstance(module, nn.Sequential | RegStage):
        return [f"{stage}.{name}" for name, _ in module.named_children()]
    blocks = getattr(module, "blocks", None)
    if isinstance(blocks, nn.Sequential):
        return [f"{stage}.blocks.{name}" for name, _ in blocks.named_children()]
    return [stage]


def _set_multi_grid(backbone: Backbone, name: str, factors: Sequence[int], base: int) -> None:
    blocks = [backbone.get_submodule(block) for block in backbone.blocks[-1]]
    if len(factors) != len(blocks):
        raise InputError(
            f"multi_grid={tuple(factors)} has {len(factors)} factors, but the last stage of '{name}' "
            f"has {len(blocks)} blocks"
        )
    for block, factor in zip(blocks, factors, strict=True):
        for conv in block.modules():
            if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1):
                if isinstance(conv.padding, str) or conv.stride != (1, 1):
                    raise InputError(f"backbone '{name}' cannot have a multi-grid: its last stage is strided")
                dilation = base * factor
                conv.dilation = (dilation, dilation)
                conv.padding = tuple(dilation * (kernel // 2) for kernel in conv.kernel_size)
