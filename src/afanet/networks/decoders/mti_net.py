"""MTI-Net: tasks predict and distil at every scale of one backbone; each scale passes features to the next finer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from afanet.networks.backbones import Backbone
from afanet.networks.decoders.decoder import Decoded, Decoder, Maps
from afanet.networks.decoders.distillation import distilled, plant_distillation
from afanet.networks.decoders.layers import Residual, basic_blocks
from afanet.networks.heads.head import Stage
from afanet.networks.heads.layers import resize
from afanet.networks.outputs import Output

WIDEST = 128  # the most channels of a task's features at a scale


class Refine(nn.Module):
    """A task's features at a scale: two residual blocks over the backbone's features and those from the coarser scale.

    Args:
        given: the channels of the backbone's features.
        passed: the channels of the features from the coarser scale; 0 for the coarsest scale.
        channels: the channels of the task's features.

    >>> Refine(16, 8, 4)(torch.rand(2, 16, 5, 6), torch.rand(2, 8, 3, 3)).shape
    torch.Size([2, 4, 5, 6])
    """

    def __init__(self, given: int, passed: int, channels: int) -> None:
        super().__init__()
        self.blocks = basic_blocks(given + passed, channels)

    def forward(self, x: Tensor, passed: Tensor | None = None) -> Tensor:
        """(B, C, H, W), from the backbone's features of this size and the coarser scale's features of any size."""
        if passed is not None:
            x = torch.cat([x, resize(passed, x.shape[-2:], aligned=False)], 1)
        refined: Tensor = self.blocks(x)
        return refined


class Propagation(nn.Module):
    r"""The features that all tasks have in common at a scale, for the next finer scale.

    .. math:: m = softmax_i(f([h_1; \dots; h_N])), \qquad s = g([m_1 \odot h_1; \dots; m_N \odot h_N])

    with the softmax over tasks at every channel and pixel. f is two residual blocks with a quarter of the channels of
    all features together, followed by a 1x1 convolution. g is one residual block.

    Args:
        channels: the channels of each task's features.
        tasks: N, the number of tasks.

    >>> Propagation(8, tasks=3)([torch.rand(2, 8, 5, 6)] * 3).shape
    torch.Size([2, 8, 5, 6])
    """

    def __init__(self, channels: int, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        every = tasks * channels
        inner = max(every // 4, 1)
        self.masks = nn.Sequential(basic_blocks(every, inner), nn.Conv2d(inner, every, 1))
        self.reduce = Residual((every, channels, channels), (3, 3))

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W), from N tensors of this shape."""
        x = torch.cat(list(xs), 1)
        masks = torch.softmax(self.masks(x).unflatten(1, (self.tasks, -1)), 1)
        reduced: Tensor = self.reduce(masks.flatten(1, 2) * x)
        return reduced


class Excitation(nn.Module):
    r"""A task's features x plus the channels that it selects from the common features s.

    .. math:: y = x + s \odot \sigma(W_2 \, ReLU(W_1 \, mean(s)))

    >>> Excitation(8)(torch.rand(2, 8, 5, 6), torch.rand(2, 8, 5, 6)).shape
    torch.Size([2, 8, 5, 6])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 1)
        self.choose = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: Tensor, common: Tensor) -> Tensor:
        """(B, C, H, W), from two tensors of this shape."""
        chosen: Tensor = x + common * self.choose(common.mean((2, 3)))[..., None, None]
        return chosen


class MTINet(Decoder):
    r"""Multi-scale task interaction: PAD-Net's distillation at every scale, from the coarsest to the finest.

    At scale s, with :math:`x_s` the backbone's features and :math:`p_{s+1}` the features from the coarser scale,

    .. math:: h_{is} = f_{is}([x_s; p_{i,s+1}]), \quad
              y_{is} = h_{is} + \sum_{j \ne i} \sigma(V_{ijs} * h_{js}) \odot (W_{ijs} * h_{js})

    and :math:`p_{is}` is `Excitation` of :math:`h_{is}` by `Propagation` over all tasks. f is `Refine`, with as many
    channels as the stage, but at most 128. A 1x1 convolution of every :math:`h_{is}` is an initial prediction, which
    learns from the labels too. The heads get :math:`y_{is}` in place of all stages; the default head is `mlp`, which
    joins all scales. All tasks must be dense.

    Vandenhende et al., MTI-Net: Multi-Scale Task Interaction Networks for Multi-Task Learning, ECCV 2020.

    >>> from afanet import Dense, create_network
    >>> network = create_network("mti_net", {"depth": Dense(1), "normals": Dense(3)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'normals': (1, 3, 70, 90)}
    """

    head = "mlp"

    def __init__(self, backbone: Backbone, outputs: Mapping[str, Output], size: Sequence[int]) -> None:
        super().__init__(backbone, outputs, size)
        widths = [stage.channels for stage in self.stages]
        coarser = [*widths[1:], 0]
        for scale, (given, width, below) in enumerate(zip(backbone.given, widths, coarser, strict=True)):
            for task in outputs:
                self.plant(f"{task}.refine.{scale}", Refine(given.channels, below, width))
                if scale:
                    self.plant(f"{task}.excite.{scale}", Excitation(width))
            if scale:
                self.plant(f"all-tasks.propagate.{scale}", Propagation(width, len(outputs)))
            plant_distillation(self, f"_{scale}", width)
        self.predict(outputs, widths)

    @classmethod
    def gives(cls, stages: Sequence[Stage]) -> list[Stage]:
        """The stages of the backbone, with at most 128 channels."""
        return [Stage(min(stage.channels, WIDEST), stage.stride) for stage in stages]

    def forward(self, image: Tensor, features: Sequence[Maps]) -> Decoded:
        """The heads' features, from the maps (B, C, h, w) of all stages of the backbone."""
        [maps] = features
        refined: list[dict[str, Tensor]] = []  # by scale, the finest first
        passed: dict[str, Tensor] = {}
        for scale, x in reversed(list(enumerate(maps))):
            at_scale = {task: self.layer(f"{task}.refine.{scale}")(x, passed.get(task)) for task in self.tasks}
            refined.insert(0, at_scale)
            if scale:
                common = self.layer(f"all-tasks.propagate.{scale}")(list(at_scale.values()))
                passed = {task: self.layer(f"{task}.excite.{scale}")(y, common) for task, y in at_scale.items()}
        mixed = [distilled(self, f"_{scale}", at_scale) for scale, at_scale in enumerate(refined)]
        return Decoded(
            {task: [at_scale[task] for at_scale in mixed] for task in self.tasks},
            {task: [at_scale[task] for at_scale in refined] for task in self.tasks},
        )
