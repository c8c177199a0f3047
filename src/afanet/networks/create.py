"""Ready-made multi-task networks: a method is where to share, where to meet, and in what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.fusion import AFA, NDDR, ChannelAggregation, CrossStitch, SpatialAggregation
from afanet.networks.backbones import Backbone
from afanet.networks.heads import DenseHead, PooledHead
from afanet.networks.mtan import attend
from afanet.networks.outputs import Dense, Output, Pooled
from afanet.networks.weave import require_task_names, weave
from afanet.networks.woven import Woven


@dataclass(frozen=True)
class Method:
    """Whether the tasks share their backbone, where branches meet and in what, and whether each task attends to it."""

    share: bool = False
    meet: str | None = None
    fusion: Callable[..., nn.Module] | None = None
    attend: bool = False

    @property
    def gated(self) -> bool:
        """Whether its fusion layers have gates, which each task may have for itself."""
        return self.fusion is not None and "per_task" in signature(self.fusion).parameters


# Where branches meet, after so many shared stages.
MEET: dict[str, Callable[[Backbone, int], list[str]]] = {
    "stages": lambda backbone, shared: backbone.stages[shared:],
    "blocks": lambda backbone, shared: [block for stage in backbone.blocks[shared:] for block in stage],
    "last_blocks": lambda backbone, shared: backbone.blocks[-1],
}
METHODS: dict[str, Method] = {
    "single": Method(),
    "hard": Method(share=True),
    "mtan": Method(share=True, attend=True),
    "cross_stitch": Method(meet="stages", fusion=CrossStitch),
    "nddr": Method(meet="stages", fusion=NDDR),
    "afa": Method(meet="last_blocks", fusion=AFA),
    "afa_channel": Method(meet="last_blocks", fusion=ChannelAggregation),
    "afa_spatial": Method(meet="last_blocks", fusion=SpatialAggregation),
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
    meet: str | None = None,
    trunk: int | None = None,
    **fusion_options: Any,
) -> Woven:
    """A multi-task network by method and backbone: images (B, 3, H, W) in, ``{task: output}`` out.

    Args:
        method: "single" (branches side by side), "hard" (one backbone, a head a task), "mtan" (the same, each task
            with attention of its own to each stage), "cross_stitch" and "nddr" (branches meet after each stage), or
            "afa" (after each block of the last stage), of which "afa_channel" and "afa_spatial" are either half.
        outputs: for each task ``Dense(channels)``, a DeepLabv3+ head with (B, channels, H, W) at the images' size, or
            ``Pooled(channels)``, mean pooling and a linear layer with (B, channels); ``("dense", channels)`` and
            ``("pooled", channels)`` will do, and both kinds may stand in one network.
        backbone: any timm network with stages.
        weights: "none", "pretrained" (timm's, downloaded) or the path of a local file with backbone weights.
        size: (H, W) of the images that the fusion layers are made for; others are taken too.
        output_stride: 8, 16 or 32; 16 where a task is dense and else 32, if None.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        meet: where branches meet instead: after all "stages", all "blocks" or the "last_blocks", those of the last
            stage. Stages begin with that of the low-level features, which a dense head is given as they leave it.
        trunk: how many stages all tasks share before their branches part, of which one at least is left to each.
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
    require_task_names(outputs)
    row = METHODS[method]
    wanted = {task: _output(task, output) for task, output in outputs.items()}
    stride = output_stride or (16 if any(isinstance(output, Dense) for output in wanted.values()) else 32)
    if stride not in (8, 16, 32):
        raise InputError(f"output_stride={stride} is unknown: expected 8, 16 or 32")
    if fusion_options and row.fusion is None:
        raise InputError(f"method '{method}' has no fusion layers to give {', '.join(fusion_options)} to")
    if meet is not None and meet not in MEET:
        raise unknown("meet", meet, MEET)
    if meet and row.fusion is None:
        raise InputError(f"method '{method}' has no fusion layers to meet in: expected no meet={meet!r}")
    if trunk is not None and (method == "single" or row.attend):
        raise InputError(f"method '{method}' cannot share a trunk of {trunk} stages: hard, cross_stitch, nddr, afa can")
    if fusion_options.get("per_task") and not row.gated:
        raise InputError(f"method '{method}' has no gates for each task to have its own: expected no per_task")
    branches: dict[str, SingleTask] = {}
    for task, output in wanted.items():
        if not branches or trunk or not row.share:
            body = Backbone(backbone, output_stride=stride, multi_grid=multi_grid, weights=weights, size=size)
        head: nn.Module
        if isinstance(output, Dense):
            head = DenseHead(body.channels, output.channels, stride)
        else:
            head = PooledHead(body.channels, output.channels)
        branches[task] = SingleTask(body, head)
    if trunk is not None and not 0 < trunk < len(body.stages):
        raise InputError(
            f"trunk={trunk}, but '{backbone}' has {len(body.stages)} stages: expected 1 to {len(body.stages) - 1}, "
            "or method hard to share all"
        )
    shared = f"backbone.{body.stages[trunk - 1]}" if trunk else "backbone" if row.share else None
    place = meet or row.meet
    points = [f"backbone.{layer}" for layer in MEET[place](body, trunk or 0)] if place else []
    fusion = None if row.fusion is None else partial(row.fusion, **fusion_options)
    example = (1, 3, *size)
    network = weave(branches, points, fusion, share=shared, example=example)
    if row.attend:
        network = attend(network, example)
    network.weights_report = body.weights_report
    return network


def _output(task: str, output: Output | tuple[str, int]) -> Output:
    if isinstance(output, Dense | Pooled):
        return output
    kinds: dict[str, type[Dense] | type[Pooled]] = {"dense": Dense, "pooled": Pooled}
    if isinstance(output, tuple | list) and len(output) == 2 and output[0] in kinds:
        return kinds[output[0]](int(output[1]))
    raise InputError(f"output of task '{task}' is {output!r}: expected Dense(channels) or Pooled(channels)")
