"""What every head is: a backbone's stages in, one task's output out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

from torch import Tensor, nn

Features = tuple[Tensor, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Stage:
    """The features after one stage of a backbone, (B, channels, H / stride, W / stride)."""

    channels: int
    stride: int


class Head(nn.Module, ABC):
    """What turns features of a backbone into one task's output.

    A subclass is constructed with the stages (:class:`Stage`) that it takes, and the number of values that it gives a
    pixel or, if it is pooled, an image.

    Attributes:
        output: of the class, "dense" for a head that gives (B, outputs, H, W) at the image's size, "pooled" for
            (B, outputs).
        takes: of the class, the numbers of the stages whose features it is given, in this order. They are counted from
            the first at a stride of 4 on, negative ones from the last; None for all. The first stage's features are
            those before branches meet there.
    """

    output: ClassVar[str]
    takes: ClassVar[tuple[int, ...] | None] = (0, -1)

    @classmethod
    def build(cls, stages: Sequence[Stage], outputs: int, output_stride: int) -> Self:
        """The head for these stages of a backbone that was asked for this output stride."""
        return cls(stages, outputs)

    @abstractmethod
    def forward(self, features: Features, size: Sequence[int]) -> Tensor:
        """The output for features (B, C, H, W) of the stages that it takes, and the image's (H, W)."""


def taken(stages: Sequence[Item], takes: Sequence[int] | None) -> tuple[Item, ...]:
    """Those of `stages` that a head takes.

    >>> taken("abcd", (0, -1)), taken("abcd", None)
    (('a', 'd'), ('a', 'b', 'c', 'd'))
    """
    return tuple(stages) if takes is None else tuple(stages[number] for number in takes)
