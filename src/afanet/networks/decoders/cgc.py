"""CGC: every task mixes its own backbone with one that all tasks share, by its own gate for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.decoder import Decoded, Decoder, Maps
from afanet.networks.decoders.experts import Gate, mixture
from afanet.networks.outputs import Output
from afanet.networks.woven import SHARED_EXPERT

SHARED = f"{SHARED_EXPERT}.backbone"


class CGC(Decoder):
    r"""Customized gate control: besides each task's own backbone there is one more, an expert that all tasks share.

    .. math:: y_i = g_{i1} \, f_0(x) + g_{i2} \, f_i(x), \qquad g_i = softmax(W_i x + b_i)

    with :math:`f_0` the shared backbone, :math:`f_i` the task's own, and x the image. The features of all stages are
    mixed with the same weights. Tasks may be dense or pooled.

    One level of Tang et al., Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model for
    Personalized Recommendations, RecSys 2020. As in LibMTL (Lin & Zhang, JMLR 2023), an expert is a whole backbone, and
    a gate is a linear layer over the image's values. If an image has another size than the one for which the network
    was made, it is resized for the gate only. The shared expert starts as a copy of the first task's backbone.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("cgc", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    """

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__(backbone, outputs, size)
        self.plant(SHARED, deepcopy(backbone))
        for task in outputs:
            self.plant(f"{task}.gate", Gate(backbone.in_chans, size, experts=2))

    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from images (B, C, H, W) and the maps (B, C, h, w) of all stages of each backbone."""
        maps = self.layer(SHARED)(image)
        shared = [maps[stage] for stage in range(len(self.stages))]
        mixed = {
            task: mixture(self.layer(f"{task}.gate")(image), [shared, own])
            for task, own in zip(self.tasks, features, strict=True)
        }
        return Decoded(mixed, {task: [] for task in self.tasks})
