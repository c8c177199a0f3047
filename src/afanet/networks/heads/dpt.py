"""The head of the dense prediction transformer, for plain backbones, in which all stages have one stride."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.heads.head import TAPS, Features, Head, Stage
from afanet.networks.heads.layers import conv_norm, logits_at, resize


class DPT(Head):
    """The head of the dense prediction transformer: four taps become a pyramid, fused from the coarsest level up.

    Taps of one stride s are reassembled at strides of s / 4, s / 2, s and 2 s: a 1x1 convolution to an eighth, a
    quarter, a half and all of the channels, followed by a transposed convolution, or for the last by a convolution with
    a stride of 2. Stages of different strides already form a pyramid and are not resampled.

    Args:
        stages: the four taps.
        outputs: the number of values per pixel.

    Forward takes the four taps' features (B, C, h, w) and the image's (H, W), of any size, and returns
    (B, outputs, H, W). All resizing is bilinear with aligned corners, as in the original. Under autocast, the last
    layer and everything after it compute in float32.

    Ranftl et al., Vision Transformers for Dense Prediction, ICCV 2021. The class token is not used. A level is resized
    to the size of the next level instead of doubled, so that any image size is possible. The last layers are those of
    the paper's head for segmentation. The residual units have no batch norm, as in its head for depth. The 1x1
    convolution of a fusion comes before resizing, which gives the same up to rounding at a quarter of the work.

    >>> import torch
    >>> head = DPT([Stage(384, 14)] * 4, outputs=13).eval()
    >>> head((torch.rand(1, 384, 4, 5),) * 4, (56, 70)).shape
    torch.Size([1, 13, 56, 70])
    """

    output = "dense"
    takes = None
    mixed = True

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        if len(stages) != TAPS:
            raise InputError(
                f"head dpt needs {TAPS} taps, but the backbone gives {len(stages)}: set {TAPS} of them in network.taps "
                "if it is plain, or choose another head, such as linear, mlp or fpn, which take any number"
            )
        super().__init__()
        one_stride = len({stage.stride for stage in stages}) == 1
        self.reassemble = nn.ModuleList(
            _reassemble(stage.channels, level) if one_stride else _conv(stage.channels)
            for level, stage in enumerate(stages)
        )
        self.fusions = nn.ModuleList(Fuse(skip=level < TAPS - 1) for level in range(TAPS))
        self.refine = nn.Sequential(*conv_norm(256, 256, 3), nn.Dropout(0.1))
        self.logits = nn.Conv2d(256, outputs, 1)

    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        levels = [layer(x) for layer, x in zip(self.reassemble, features, strict=True)]
        height, width = levels[0].shape[-2:]
        sizes = [(2 * height, 2 * width), *(level.shape[-2:] for level in levels[:-1])]
        fused: Tensor | None = None
        for fuse, level, finer in reversed(list(zip(self.fusions, levels, sizes, strict=True))):
            fused = fuse(level, fused, finer)
        return logits_at(self.logits, self.refine(fused), size, aligned=True)


class Fuse(nn.Module):
    """Fuses one level with the result of the coarser levels, and resizes it to the next finer level.

    Args:
        skip: whether there is a coarser level.
    """

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.skip = Residual() if skip else None
        self.body = Residual()
        self.project = nn.Conv2d(256, 256, 1)

    def forward(self, level: Tensor, below: Tensor | None, size: Sequence[int]) -> Tensor:
        if self.skip is not None:
            level = below + self.skip(level)
        return resize(self.project(self.body(level)), size, aligned=True)


class Residual(nn.Module):
    """A residual unit: two 3x3 convolutions, each after a ReLU, are added to their input."""

    def __init__(self) -> None:
        super().__init__()
        # the ReLU is not in place, because the input is added later
        convs = (nn.Conv2d(256, 256, 3, padding=1) for _ in range(2))
        self.layers = nn.Sequential(*(layer for conv in convs for layer in (nn.ReLU(), conv)))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.layers(x)
        return x + added


def _reassemble(channels: int, level: int) -> nn.Sequential:
    """A tap's features at 4, 2, 1 or 0.5 times their size, depending on the level, with 256 channels."""
    width = max(channels >> (TAPS - 1 - level), 1)
    resample: tuple[list[nn.Module], ...] = (
        [nn.ConvTranspose2d(width, width, 4, stride=4)],
        [nn.ConvTranspose2d(width, width, 2, stride=2)],
        [],
        [nn.Conv2d(width, width, 3, stride=2, padding=1)],
    )
    return nn.Sequential(nn.Conv2d(channels, width, 1), *resample[level], _conv(width))


def _conv(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 256, 3, padding=1, bias=False)
