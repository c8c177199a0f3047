"""PAD-Net: tasks predict from a shared backbone, and each refines its features by gated features of all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.decoder import Decoded, Decoder, Maps
from afanet.networks.decoders.distillation import distilled, plant_distillation
from afanet.networks.decoders.layers import bottlenecks
from afanet.networks.heads.head import Stage
from afanet.networks.outputs import Output

WIDTH = 256  # the channels of a task's features


class PADNet(Decoder):
    r"""Prediction and distillation: one backbone, initial predictions, and gated features between all tasks.

    .. math:: h_i = f_i(x), \qquad y_i = h_i + \sum_{j \ne i} \sigma(V_{ij} * h_j) \odot (W_{ij} * h_j)

    with x the last stage's features and :math:`f_i` two bottlenecks with 256 channels. A 1x1 convolution of
    :math:`h_i` is the task's initial prediction, which learns from the labels too. The task's head gets :math:`y_i` in
    place of the last stage, and all earlier stages as they are. Tasks may be dense or pooled.

    Xu et al., PAD-Net: Multi-Tasks Guided Prediction-and-Distillation Network for Simultaneous Depth Estimation and
    Scene Parsing, CVPR 2018. The blocks, the widths and the gate (which sees the features that it gates) are those of
    Vandenhende et al., Multi-Task Learning for Dense Prediction Tasks: A Survey, TPAMI 2021.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("pad_net", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96))
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(2, 3, 70, 90)).items()}
    {'depth': (2, 1, 70, 90), 'depth.0': (2, 1, 70, 90), 'scene': (2, 5), 'scene.0': (2, 5)}
    """

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__(backbone, outputs, size)
        for task in outputs:
            self.plant(f"{task}.refine", bottlenecks(backbone.given[-1].channels, WIDTH))
        plant_distillation(self, "", WIDTH)
        self.predict(outputs, [WIDTH])

    @classmethod
    def gives(cls, stages: Sequence[Stage]) -> list[Stage]:
        """The stages of the backbone, the last one with 256 channels."""
        return [*stages[:-1], Stage(WIDTH, stages[-1].stride)]

    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from the maps (B, C, h, w) of all stages of the backbone."""
        [[*earlier, last]] = features
        refined = {task: self.layer(f"{task}.refine")(last) for task in self.tasks}
        mixed = distilled(self, "", refined)
        return Decoded({task: [*earlier, y] for task, y in mixed.items()}, {task: [x] for task, x in refined.items()})
