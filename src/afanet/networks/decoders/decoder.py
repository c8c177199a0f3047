"""The base class of decoders: from the features of backbones to the features that each task's head takes."""

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

Maps = list[Tensor]  # the maps of a backbone's stages


class Decoded(NamedTuple):
    """A decoder's result, by task.

    Attributes:
        features: the features that the task's head takes.
        early: the features for the task's initial predictions, which learn from its labels too.
    """

    features: dict[str, Maps]
    early: dict[str, Maps]


class Decoder(nn.Module, ABC):
    """The part between the backbones and the heads, in which tasks exchange features.

    `forward` is traced once for each mode; later only the layers that it calls run. So layers that only one task needs
    are planted under this task's name: if only some tasks are requested, only their layers run.

    Args:
        backbone: the backbone of all tasks, or that of the first task; those of the others have the same form.
        outputs: each task's output.
        size: (H, W) of the backbone's images.

    Attributes:
        tasks: the names of the tasks.
        stages: the stages whose features the heads get.
        head: class attribute, the name of the default head for dense tasks; None means the default of all methods.
    """

    head: ClassVar[str | None] = None

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__()
        self.tasks = list(outputs)
        self.stages = self.gives(backbone.given)

    @classmethod
    def gives(cls, stages: Sequence[Stage]) -> list[Stage]:
        """The stages that heads get, for the stages of a backbone: by default the same."""
        return list(stages)

    @abstractmethod
    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from images (B, C, H, W) and the maps (B, C, h, w) of all stages of each backbone."""

    def layer(self, path: str) -> nn.Module:
        """The layer at a dotted path."""
        return self.get_submodule(path)

    def plant(self, path: str, layer: nn.Module) -> None:
        """Put a layer at a dotted path."""
        plant(self, path, layer)

    def predict(self, outputs: Mapping[str, Output], widths: Sequence[int]) -> None:
        """Plant each task's layers for initial predictions from `early` features with these numbers of channels."""
        for task, output in outputs.items():
            for number, width in enumerate(widths):
                self.plant(f"{task}.initial.{number}", InitialPrediction(width, output))
