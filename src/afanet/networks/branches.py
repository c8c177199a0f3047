"""The branches of a ready-made network: each task's backbone and head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.backbones.padding import cut
from afanet.networks.frozen import KeepsFrozen
from afanet.networks.heads.choose import build_head, common, default_head
from afanet.networks.heads.head import Head, taken
from afanet.networks.outputs import Output


class SingleTask(KeepsFrozen):
    """A branch: one task's backbone and head."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.padding = backbone.padding()

    def forward(self, image: Tensor) -> Tensor:
        """The task's output for images (B, C, H, W)."""
        whole = image if self.padding is None else self.padding(image)
        features = self.backbone(whole)
        if self.backbone.takes != self.head.takes:  # then the backbone returns all
            features = taken(features, self.head.takes)
        logits: Tensor = self.head(features, whole.shape[-2:])
        if self.padding is not None and self.head.output == "dense":
            logits = cut(logits, image.shape[-2:])
        return logits


def build_branches(
    wanted: Mapping[str, Output],
    heads: Mapping[str, type[Head]],
    build: Callable[[], Backbone],
    output_stride: int,
    *,
    shared: bool,
    equal: bool,
) -> dict[str, SingleTask]:
    """A branch for each task.

    Args:
        wanted: each task's output.
        heads: the class of the head for those tasks that do not have the default.
        build: makes a backbone.
        output_stride: that the backbones were asked for.
        shared: whether one backbone serves all branches.
        equal: whether each backbone is a copy of the first.
    """
    branches: dict[str, SingleTask] = {}
    body = build()
    kinds = {task: heads.get(task) or default_head(output, body.plain) for task, output in wanted.items()}
    body.takes = common({kind.takes for kind in kinds.values()})
    for task, output in wanted.items():
        if branches and not shared:
            takes = body.takes
            body = deepcopy(body) if equal else build()
            body.takes = takes
        stride = min(32, body.given[-1].stride)
        stride = stride if body.whole else max(output_stride, stride)
        branches[task] = SingleTask(body, build_head(kinds[task], body.given, output, stride))
    return branches
