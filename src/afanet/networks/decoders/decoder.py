"""What every decoder is: features of backbones in, for each task the features that its head takes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.layers import InitialPrediction
from afanet.networks.heads.head import Stage
from afanet.networks.outputs import Output
from afanet.networks.woven import plant

Maps = list[Tensor]  # of the stages of a backbone


class Decoded(NamedTuple):
    """What a decoder gives, by task.

    Attributes:
        features: those that the task's head takes.
        early: those of which the task makes initial predictions, which learn from its labels too.
    """

    features: dict[str, Maps]
    early: dict[str, Maps]


class Decoder(nn.Module, ABC):
    """What stands between backbones and heads, where tasks exchange features.

    `forward` is recorded once for each mode, and what runs later are the layers that it calls. So a task has layers of
    its own for what no other needs, planted under its name: where only some tasks are wanted, they alone run.

    Args:
        backbone: that of all tasks, or of the first, to which those of the others are equal in form.
        outputs: each task's.
        size: (H, W) of the backbone's images.

    Attributes:
        tasks: their names.
        stages: whose features the heads are given.
        head: of the class, the name of the head that its dense tasks have by default; None for that of all methods.
    """

    head: ClassVar[str | None] = None

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__()
        self.tasks = list(outputs)
        self.stages = self.gives(backbone.given)

    @classmethod
    def gives(cls, stages: Sequence[Stage]) -> list[Stage]:
        """The stages that heads are given, for those of a backbone: the same, unless a decoder says otherwise."""
        return list(stages)

    @abstractmethod
    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """What heads take, for images (B, C, H, W), and the maps (B, C, h, w) of all stages of each backbone."""

    def layer(self, path: str) -> nn.Module:
        """The layer at a dotted path."""
        return self.get_submodule(path)

    def plant(self, path: str, layer: nn.Module) -> None:
        """Put a layer at a dotted path."""
        plant(self, path, layer)

    def predict(self, outputs: Mapping[str, Output], widths: Sequence[int]) -> None:
        """Plant each task's initial predictions of `early` features, which have these numbers of channels."""
        for task, output in outputs.items():
            for number, width in enumerate(widths):
                self.plant(f"{task}.initial.{number}", InitialPrediction(width, output))
