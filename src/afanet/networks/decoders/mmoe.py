"""MMoE: every task mixes all backbones, by its own gate for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.decoder import Decoded, Decoder, Maps
from afanet.networks.decoders.experts import Gate, mixture
from afanet.networks.outputs import Output


class MMoE(Decoder):
    r"""Multi-gate mixture of experts: every backbone is an expert for all tasks.

    .. math:: y_i = \sum_k g_{ik} \, f_k(x), \qquad g_i = softmax(W_i x + b_i)

    with :math:`f_k` the k-th of N backbones, for N tasks, and x the image. The features of all stages are mixed with
    the same weights. Tasks may be dense or pooled.

    Ma et al., Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts, KDD 2018. As in
    LibMTL (Lin & Zhang, JMLR 2023), an expert is a whole backbone, and a gate is a linear layer over the image's
    values. If an image has another size than the one for which the network was made, it is resized for the gate only.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("mmoe", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    """

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__(backbone, outputs, size)
        for task in outputs:
            self.plant(f"{task}.gate", Gate(backbone.in_chans, size, experts=len(outputs)))

    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from images (B, C, H, W) and the maps (B, C, h, w) of all stages of each backbone."""
        mixed = {task: mixture(self.layer(f"{task}.gate")(image), features) for task in self.tasks}
        return Decoded(mixed, {task: [] for task in self.tasks})
