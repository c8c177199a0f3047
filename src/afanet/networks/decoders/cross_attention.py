"""Cross-task attention: at every scale of one backbone, from the coarsest to the finest, each task attends to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.decoder import Decoded, Decoder, Maps
from afanet.networks.heads.head import Stage
from afanet.networks.heads.layers import conv_norm, resize
from afanet.networks.outputs import Output

WIDEST, NARROWEST = 256, 64  # channels of a task's features: they halve from scale to scale
HEADS = 2  # attention heads


class Attention(nn.Module):
    r"""Attention from one task's pixels to the pixels of all tasks, including its own.

    .. math:: z = x + up(W_o \, softmax(Q K^T / \sqrt{d}) \, V), \qquad y = z + mlp(z)

    Q are the pixels of x after a depthwise convolution with a stride of 2. K and V are the pixels of all tasks' maps
    after average pooling. All maps are normalised over their channels first. `up` resizes to the size of x.

    Args:
        channels: C, the channels of every map.
        pool: the height and width of the pooling for K and V.

    >>> attention, maps = Attention(8, pool=2), [torch.rand(2, 8, 5, 6) for task in range(3)]
    >>> attention(maps[0], maps).shape
    torch.Size([2, 8, 5, 6])
    """

    def __init__(self, channels: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for _ in range(2))
        self.local = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels)
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Conv2d(channels, 4 * channels, 1), nn.GELU(), nn.Conv2d(4 * channels, channels, 1))

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """A task's new map (B, C, H, W), from its own map and the maps of all tasks."""
        asking = self.local(self.norms[0](x))
        pooled = [F.avg_pool2d(self.norms[0](y), self.pool, ceil_mode=True, count_include_pad=False) for y in maps]
        told = torch.cat([y.flatten(2) for y in pooled], 2).mT  # (B, N h w, C)
        q, k, v = self.query(asking.flatten(2).mT), self.key(told), self.value(told)
        heads = [tokens.unflatten(2, (HEADS, -1)).transpose(1, 2) for tokens in (q, k, v)]
        answer = self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        z = x + resize(answer.mT.unflatten(2, asking.shape[-2:]), x.shape[-2:], aligned=False)
        attended: Tensor = z + self.mlp(self.norms[1](z))
        return attended


class Climb(nn.Module):
    r"""A task's features one scale finer: :math:`f(up(y)) + W x`, with x the backbone's features at this scale.

    f is a 3x3 convolution with batch norm and ReLU, W is a 1x1 convolution.

    >>> Climb(16, 8, 4)(torch.rand(2, 16, 3, 3), torch.rand(2, 8, 5, 6)).shape
    torch.Size([2, 4, 5, 6])
    """

    def __init__(self, coarser: int, given: int, channels: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(*conv_norm(coarser, channels, 3))
        self.skip = nn.Conv2d(given, channels, 1)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        """(B, C, H, W), from coarser features of any size and the backbone's features of this size."""
        climbed: Tensor = self.narrow(resize(y, x.shape[-2:], aligned=False)) + self.skip(x)
        return climbed


class CrossAttention(Decoder):
    r"""All tasks attend to each other at every scale of a shared backbone, from the coarsest to the finest.

    At scale s, with :math:`x_s` the backbone's features, :math:`y_{i,s+1}` the result of the coarser scale, resized to
    this scale, and A `Attention`,

    .. math:: h_{is} = f_{is}(y_{i,s+1}) + W_{is} x_s, \qquad y_{is} = A_{is}(h_{is}; h_{1s}, \dots, h_{Ns})

    with f a 3x3 convolution with batch norm and ReLU. At the coarsest scale, h is two such convolutions of
    :math:`x_s`, and a 1x1 convolution of h is the task's initial prediction, which learns from the labels too. The
    coarsest scale has 256 channels, and each finer scale half as many, but at least 64. The heads get :math:`y_{is}` in
    place of all stages; the default head is `mlp`, which joins all scales. All tasks must be dense.

    A simpler form of Ye & Xu, InvPT: Inverted Pyramid Multi-task Transformer for Dense Scene Understanding, ECCV 2022:
    each task has its own attention, no attention is passed from scale to scale, and the initial predictions are not
    among the features.

    >>> from afanet import Dense, create_network
    >>> tasks = {"depth": Dense(1), "normals": Dense(3)}
    >>> network = create_network("cross_attention", tasks, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'normals': (1, 3, 70, 90)}
    """

    head = "mlp"

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__(backbone, outputs, size)
        coarsest = self.stages[-1]
        for task in outputs:
            narrow = conv_norm(backbone.given[-1].channels, coarsest.channels, 3)
            self.plant(f"{task}.begin", nn.Sequential(*narrow, *conv_norm(coarsest.channels, coarsest.channels, 3)))
            for scale, stage in enumerate(self.stages):
                pool = max(coarsest.stride // stage.stride, 1)
                self.plant(f"{task}.attend.{scale}", Attention(stage.channels, pool))
                if stage is not coarsest:
                    widths = self.stages[scale + 1].channels, backbone.given[scale].channels, stage.channels
                    self.plant(f"{task}.climb.{scale}", Climb(*widths))
        self.predict(outputs, [coarsest.channels])

    @classmethod
    def gives(cls, stages: Sequence[Stage]) -> list[Stage]:
        """The stages of the backbone, with 256 to 64 channels."""
        last = len(stages) - 1
        return [Stage(max(WIDEST >> (last - scale), NARROWEST), stage.stride) for scale, stage in enumerate(stages)]

    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from the maps (B, C, h, w) of all stages of the backbone."""
        [[*finer, coarsest]] = features
        begun = {task: self.layer(f"{task}.begin")(coarsest) for task in self.tasks}
        pyramids = {task: [y] for task, y in self._attended(begun, len(finer)).items()}  # the finest first
        for scale, x in reversed(list(enumerate(finer))):
            climbed = {task: self.layer(f"{task}.climb.{scale}")(ys[0], x) for task, ys in pyramids.items()}
            for task, y in self._attended(climbed, scale).items():
                pyramids[task].insert(0, y)
        return Decoded(pyramids, {task: [x] for task, x in begun.items()})

    def _attended(self, maps: Mapping[str, Tensor], scale: int) -> dict[str, Tensor]:
        every = list(maps.values())
        return {task: self.layer(f"{task}.attend.{scale}")(x, every) for task, x in maps.items()}
