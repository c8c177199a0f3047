"""The base class of heads: a backbone's stages in, one task's output out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

Features = tuple[Tensor, ...]
Item = TypeVar("Item")

TAPS = 4  # the default number of taps of a plain network, and the number that the head dpt takes


@dataclass(frozen=True)
class Stage:
    """The features after one stage of a backbone, (B, channels, H / stride, W / stride)."""

    channels: int
    stride: int


class Head(nn.Module, ABC):
    """Turns features of a backbone into one task's output.

    A subclass is constructed with the stages (:class:`Stage`) that it takes, and the number of values that it gives per
    pixel or, if it is pooled, per image.

    Under autocast a head computes in float32: half precision would round metres to steps and make classes tie.

    Attributes:
        output: class attribute, "dense" for a head that gives (B, outputs, H, W) at the image's size, "pooled" for
            (B, outputs).
        takes: class attribute, the numbers of the stages whose features it gets, in this order. They count from the
            first stage with a stride of 4, negative numbers from the last; None means all. The first stage's features
            are those from before branches meet there.
        mixed: attribute of the class that defines `forward`, True if the early layers may compute in half precision
            under autocast, because the class keeps its last layer in float32 itself.

    >>> class Mean(Head):
    ...     output = "pooled"
    ...     def __init__(self, stages, outputs):
    ...         super().__init__()
    ...         self.logits = nn.Linear(stages[-1].channels, outputs)
    ...     def forward(self, features, size):
    ...         return self.logits(features[-1].mean((2, 3)))
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     Mean([Stage(8, 16)], 2)([torch.rand(1, 8, 4, 4).bfloat16()], (64, 64)).dtype
    torch.float32
    """

    output: ClassVar[str]
    takes: ClassVar[tuple[int, ...] | None] = (0, -1)
    mixed: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        owner = next(parent for parent in cls.__mro__ if "forward" in vars(parent))
        if not vars(owner).get("mixed") and (owner is cls or not issubclass(owner, Head)):
            cls.forward = _in_full_precision(cls.forward)  # type: ignore[method-assign]

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> Self:
        """The head for these stages of a backbone with this requested output stride."""
        return cls(stages, outputs)

    @abstractmethod
    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        """The output, from the features (B, C, H, W) of the stages that it takes and the image's (H, W)."""


def _in_full_precision(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A head's `forward`, changed to compute in float32 under autocast."""

    @wraps(forward)
    def in_float32(self: nn.Module, features: Features, size: Sequence[int]) -> Tensor:
        device = next(self.parameters(), features[0]).device.type
        if device == "meta" or not torch.is_autocast_enabled(device):
            return forward(self, features, size)
        with torch.autocast(device, enabled=False):
            return forward(self, tuple(x.to(torch.promote_types(x.dtype, torch.float32)) for x in features), size)

    return in_float32


def taken(stages: Sequence[Item], takes: Sequence[int] | None) -> tuple[Item, ...]:
    """The items of `stages` that a head takes.

    >>> taken("abcd", (0, -1)), taken("abcd", None)
    (('a', 'd'), ('a', 'b', 'c', 'd'))
    """
    return tuple(stages) if takes is None else tuple(stages[number] for number in takes)
