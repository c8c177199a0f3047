"""Any timm network as a backbone that gives the features of each stage from a stride of 4 on, or of four blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.backbones.dilated import with_quick_gradients
from afanet.networks.backbones.layers import block_names
from afanet.networks.backbones.layouts import Layouts
from afanet.networks.backbones.padding import Padding
from afanet.networks.backbones.plan import plan_backbone
from afanet.networks.backbones.sizes import Wish, padded
from afanet.networks.backbones.timm_network import build, build_stages
from afanet.networks.backbones.whole import Whole, intermediates, pruned
from afanet.networks.heads.head import Stage, taken
from afanet.networks.weights import load_weights


class Backbone(nn.Module):
    """A timm network that gives features; its layers keep their own names.

    A network that is a chain of stages is taken apart into its stages. Any other network with intermediate features is
    kept whole under `model`. Forward takes images (B, C, H, W) whose height and width are multiples of `multiple`, and
    returns the features (B, C, H, W) of the stages in `takes`, counted from the first at a stride of 4: by default
    (low, high), those of the first and the last stage. In plain networks, such as ViTs, all features have one stride:
    their stages are four taps at even depths, without class and register tokens.

    In a chain, an identity follows the tap of the low-level features, so that branches that meet at this stage meet
    after the tap. In a whole network, every tap comes after the layer where branches meet.

    Args:
        name: the name of a timm model.
        output_stride: 8, 16 or 32; below 32 the last stages are dilated instead of strided, if the network can do this.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        weights: "none", "pretrained" (timm's, downloaded), a local file, ``local-dir:FOLDER`` or ``hf-hub:ORG/NAME``.
        partial: whether `weights` may have fewer than half of the network's tensors.
        size: (H, W) of the images for which it is built.
        takes: the stages whose features forward returns, see :class:`~afanet.networks.Head`; None means all.
        taps: the numbers of the blocks whose features a plain network gives, counted from 0; None means four.
        in_chans: the channels of the image.

    Attributes:
        name, in_chans: as given.
        size: (H, W) of the images for which it is built, after padding.
        given: the channels and the stride of each stage.
        plain: whether all stages have one stride, as in a ViT.
        tapped: the layers that give the features of each stage.
        indices: the numbers of the intermediate features that a whole network gives; empty for a chain.
        stages: the last layer of each stage, starting with the stage of the low-level features.
        blocks: for each of these stages the last layers of its blocks; the last one is also the stage's.
        layouts: the layouts of layers, by name and item, as far as they are known in a whole network.
        meets: whether branches can meet after the stages; if not, `model` is the only layer in `stages`.
        multiple: the height and width of images must be multiples of it, see :class:`Padding`; 1 means any size.
        one_size: (H, W) if it takes only images of this size.
        weights_report: one line on the weights that were loaded; empty for "none".
        notes: one line for each requested option that the network cannot have, such as an output stride.

    Raises:
        InputError: for a name that timm does not have, a network without features, or options that it cannot have.

    >>> import torch
    >>> backbone = Backbone("resnet18", output_stride=16)
    >>> [tuple(x.shape) for x in backbone(torch.rand(1, 3, 64, 96))]
    [(1, 64, 16, 24), (1, 512, 4, 6)]
    >>> backbone.stages
    ['after_layer1', 'layer2', 'layer3', 'layer4']
    >>> backbone.blocks[0], backbone.blocks[-1]
    (['layer1.0', 'after_layer1'], ['layer4.0', 'layer4.1'])
    >>> Backbone("vit_tiny_patch16_224").stages
    ['model.blocks.2', 'model.blocks.5', 'model.blocks.8', 'model.blocks.11']
    """

    def __init__(
        self,
        name: str,
        *,
        output_stride: int = 32,
        multi_grid: Sequence[int] | None = None,
        weights: str = "none",
        partial: bool = False,
        size: Sequence[int] = (224, 224),
        takes: tuple[int, ...] | None = (0, -1),
        taps: Sequence[int] | None = None,
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        height, width = size
        plan = plan_backbone(Wish(name, output_stride, (height, width), in_chans, None if taps is None else (*taps,)))
        self.name, self.in_chans = name, in_chans
        self.takes = takes
        self.plain = plan.whole is not None and plan.whole.plain
        self.multiple, self.one_size = plan.fit.multiple, plan.fit.one_size
        self.size = self.one_size or padded((height, width), self.multiple)
        self.notes = list(plan.notes)
        self.whole = plan.whole is not None
        self.indices: tuple[int, ...] = ()
        self.layouts: dict[str, Layouts] = {}
        pretrained = weights == "pretrained"
        if plan.whole is None:
            self._take_apart(build_stages(name, pretrained, **plan.options))
        else:
            self._keep(build(name, pretrained, **plan.options), plan.whole)
        if multi_grid is not None and self.whole:
            raise InputError(f"backbone '{name}' cannot have a multi-grid: it is not a chain of convolutional stages")
        if multi_grid is not None:
            _set_multi_grid(self, name, multi_grid, base=32 // output_stride)
        with_quick_gradients(self)
        self.weights_report = f"{name}: timm's pretrained weights" if pretrained else ""
        if weights not in ("none", "pretrained"):
            self.weights_report = load_weights(self.model if self.whole else self, name, weights, partial=partial)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        if self.whole:
            return taken(intermediates(self.model, self.indices, self._norm, image), self.takes)
        x, stages = image, []
        for layer in self._layers:
            x = self.get_submodule(layer)(x)
            if layer in self._taps:
                stages.append(x)
        features = taken([*stages, x], self.takes)
        if self.output_fmt == "NHWC":
            return tuple(x.permute(0, 3, 1, 2) for x in features)
        return features

    @property
    def chain(self) -> list[str]:
        """All its blocks in the order in which they run, including those before the first stage; may be empty."""
        if self.whole:
            return [block for blocks in self.blocks for block in blocks if block != "model"]
        names = [name for layer in self._layers for name in block_names(self, layer)]
        return [name for name in names if any(self.get_submodule(name).children())]

    def padding(self) -> Padding | None:
        """The layer that pads images to a size that this backbone takes; None if it takes any size."""
        if self.multiple == 1 and self.one_size is None:
            return None
        return Padding(self.name, self.multiple, self.one_size)

    def _take_apart(self, features: Any) -> None:
        """Keep the layers of a chain of stages."""
        self.meets = True
        info = features.feature_info.get_dicts()
        layer_of = dict(enumerate(features.return_layers))
        first = next((i for i, stage in enumerate(info) if stage["reduction"] >= 4), len(info) - 1)
        self.output_fmt = str(features.output_fmt.value)
        self.low = layer_of[first]
        inner = range(first + 1, len(info) - 1)
        self.given = [Stage(info[i]["num_chs"], info[i]["reduction"]) for i in (first, *inner, -1)]
        self._taps = [layer_of[i] for i in (first, *inner)]  # and the final features
        self.tapped = [*self._taps, layer_of[len(info) - 1]]
        self._layers: list[str] = []
        for layer, module in features.items():
            self._append(layer, module)
            if layer == self.low:
                self._append(f"after_{layer}", nn.Identity())
        after_tap = {self.low: f"after_{self.low}"}
        self.stages = [after_tap.get(layer_of[i], layer_of[i]) for i in range(first, len(info))]
        self.blocks = [block_names(self, layer_of[i]) for i in range(first, len(info))]
        self.blocks[0][-1] = self.stages[0]

    def _append(self, layer: str, module: nn.Module) -> None:
        self.add_module(layer, module)
        self._layers.append(layer)

    def _keep(self, model: Any, whole: Whole) -> None:
        """Keep a network as a whole."""
        self.indices, self._norm = (*pruned(model, whole.indices, whole.norm),), whole.norm
        self.model = model
        self.given = list(whole.given)
        self.layouts = {f"model.{name}": known for name, known in whole.layouts.items()}
        self.meets = bool(whole.stages)
        self.stages = self.tapped = [f"model.{name}" for name in whole.stages] or ["model"]
        self.blocks = [[f"model.{name}" for name in names] for names in whole.blocks] or [["model"]]


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
