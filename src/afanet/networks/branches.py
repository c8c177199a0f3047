"""The branches of a ready-made network: each task's backbone and head."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING

from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.backbones.padding import cut
from afanet.networks.frozen import KeepsFrozen
from afanet.networks.heads.choose import build_head, common, default_head
from afanet.networks.heads.head import Head, taken
from afanet.networks.outputs import Output

if TYPE_CHECKING:
    from afanet.networks.decoders.decoder import Decoder


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
        if self.backbone.takes != self.head.takes:  # heads differ, so the backbone returns all stages
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
    decoder: type[Decoder] | None = None,
) -> dict[str, SingleTask]:
    """A branch for each task.

    Args:
        wanted: each task's output.
        heads: the class of the head, for tasks that do not have the default head.
        build: makes a backbone.
        output_stride: the requested output stride of the backbones.
        shared: whether one backbone serves all branches.
        equal: whether each backbone is a copy of the first.
        decoder: the decoder that will stand between the backbones and the heads, which take its features.
    """
    branches: dict[str, SingleTask] = {}
    body = build()
    usual = None if decoder is None else decoder.head
    kinds = {task: heads.get(task) or default_head(output, body.plain, usual) for task, output in wanted.items()}
    body.takes = None if decoder else common({kind.takes for kind in kinds.values()})
    given = body.given if decoder is None else decoder.gives(body.given)
    for task, output in wanted.items():
        if branches and not shared:
            takes = body.takes
            body = deepcopy(body) if equal else build()
            body.takes = takes
        stride = min(32, body.given[-1].stride)
        stride = stride if body.whole else max(output_stride, stride)
        branches[task] = SingleTask(body, build_head(kinds[task], given, output, stride))
    return branches
