"""Ready-made multi-task networks: a method is where to share, where to meet, and in what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.fusion import AFA, NDDR, CrossStitch
from afanet.networks.backbones import Backbone
from afanet.networks.heads import DenseHead, PooledHead
from afanet.networks.mtan import attend
from afanet.networks.outputs import Dense, Output, Pooled
from afanet.networks.weave import weave
from afanet.networks.woven import Woven


@dataclass(frozen=True)
class Method:
    """Where the branches share a trunk, where they meet and in what, and whether each attends to the shared trunk."""

    share: str | None
    meet_at: Callable[[Backbone], list[str]]
    fusion: Callable[..., nn.Module] | None
    attend: bool = False


def _nowhere(backbone: Backbone) -> list[str]:
    return []


METHODS: dict[str, Method] = {
    "single": Method(None, _nowhere, None),
    "hard": Method("backbone", _nowhere, None),
    "mtan": Method("backbone", _nowhere, None, attend=True),
    "cross_stitch": Method(None, lambda backbone: backbone.stages, CrossStitch),
    "nddr": Method(None, lambda backbone: backbone.stages, NDDR),
    "afa": Method(None, lambda backbone: backbone.last_blocks, AFA),
}


class SingleTask(nn.Module):
    """A branch: one task's backbone and head."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        """The task's output for images (B, 3, H, W)."""
        logits: Tensor = self.head(self.backbone(image), image.shape[-2:])
        return logits


def create_network(
    method: str,
    outputs: Mapping[str, Output | tuple[str, int]],
    backbone: str = "resnet50",
    *,
    weights: str = "none",
    size: Sequence[int] = (224, 224),
    output_stride: int | None = None,
    multi_grid: Sequence[int] | None = None,
    **fusion_options: Any,
) -> Woven:
    """A multi-task network by method and backbone: images (B, 3, H, W) in, ``{task: output}`` out.

    Args:
        method: "single" (branches side by side), "hard" (one backbone, a head a task), "mtan" (the same, each task
            with attention of its own to each stage), "cross_stitch" and "nddr" (branches meet after each stage), or
            "afa" (after each block of the last stage).
        outputs: for each task ``Dense(channels)``, a DeepLabv3+ head with (B, channels, H, W) at the images' size, or
            ``Pooled(channels)``, mean pooling and a linear layer with (B, channels); ``("dense", channels)`` and
            ``("pooled", channels)`` will do, and both kinds may stand in one network.
        backbone: any timm network with stages.
        weights: "none", "pretrained" (timm's, downloaded) or the path of a local file with backbone weights.
        size: (H, W) of the images that the fusion layers are made for; others are taken too.
        output_stride: 8, 16 or 32; 16 where a task is dense and else 32, if None.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        **fusion_options: passed to the fusion layers, such as ``per_task=True`` or ``limit=2.0``.

    Returns:
        The woven network; its attribute ``weights_report`` says in a line what was loaded.

    Raises:
        InputError: for an unknown method or backbone (the nearest is named), or what the backbone cannot do.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("afa", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if not outputs:
        raise InputError("create_network got no outputs: expected Dense(channels) or Pooled(channels) for each task")
    row = METHODS[method]
    wanted = {task: _output(task, output) for task, output in outputs.items()}
    stride = output_stride or (16 if any(isinstance(output, Dense) for output in wanted.values()) else 32)
    if stride not in (8, 16, 32):
        raise InputError(f"output_stride={stride} is unknown: expected 8, 16 or 32")
    if fusion_options and row.fusion is None:
        raise InputError(f"method '{method}' has no fusion layers to give {', '.join(fusion_options)} to")
    branches: dict[str, SingleTask] = {}
    for task, output in wanted.items():
        if not branches or row.share != "backbone":
            trunk = Backbone(backbone, output_stride=stride, multi_grid=multi_grid, weights=weights, size=size)
        head: nn.Module
        if isinstance(output, Dense):
            head = DenseHead(trunk.channels, output.channels, stride)
        else:
            head = PooledHead(trunk.channels, output.channels)
        branches[task] = SingleTask(trunk, head)
    points = [f"backbone.{layer}" for layer in row.meet_at(trunk)]
    fusion = None if row.fusion is None else partial(row.fusion, **fusion_options)
    example = (1, 3, *size)
    network = weave(branches, points, fusion, share=row.share, example=example)
    if row.attend:
        network = attend(network, example)
    network.weights_report = trunk.weights_report
    return network


def _output(task: str, output: Output | tuple[str, int]) -> Output:
    if isinstance(output, Dense | Pooled):
        return output
    kinds: dict[str, type[Dense] | type[Pooled]] = {"dense": Dense, "pooled": Pooled}
    if isinstance(output, tuple | list) and len(output) == 2 and output[0] in kinds:
        return kinds[output[0]](int(output[1]))
    raise InputError(f"output of task '{task}' is {output!r}: expected Dense(channels) or Pooled(channels)")
