"""The image sizes that a network takes, found by trying them on the meta device, where nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError

Size = tuple[int, int]
Features = Callable[[Tensor], Sequence[Tensor]]  # from an image to its features, each (B, C, H, W)

ODD: Size = (107, 149)  # among its halves, quarters and so on are odd and even numbers
SLACK = 2.5  # how many pixels of the features a network may lose at the image's border


@dataclass(frozen=True)
class Wish:
    """The requested options of a backbone, see :class:`~afanet.networks.backbones.Backbone`."""

    name: str
    output_stride: int = 32
    size: Size = (224, 224)
    in_chans: int = 3
    taps: tuple[int, ...] | None = None

    @property
    def channels(self) -> dict[str, Any]:
        """timm's option for the channels of the image."""
        return {} if self.in_chans == 3 else {"in_chans": self.in_chans}


@dataclass(frozen=True)
class Fit:
    """The sizes that a network takes: multiples of `multiple`, or only `one_size`."""

    multiple: int
    one_size: Size | None = None


def size_options(wish: Wish, config: Any, sizes: Sequence[Size]) -> Iterator[dict[str, Any]]:
    """timm's options for image sizes, the best first; a network may refuse them.

    `config` is timm's entry for the pretrained weights; `sizes` are the sizes for which to build the network.
    """
    if not (config and config.fixed_input_size):
        yield {}
    for size in sizes:
        yield {"img_size": size, "dynamic_img_size": True}
        yield {"img_size": size}
    side = max(sizes[-1])
    yield {"img_size": (side, side)}
    yield {}


def fit(features: Features, wish: Wish, reductions: Sequence[int], only: Size) -> Fit | None:
    """The sizes that a network on the meta device takes, including the requested size, padded; None if there are none.

    `reductions` are the strides of its features; `only` is the one size for which it may be built.
    """
    largest = max(reductions)
    for multiple in sorted({1, *reductions, *(largest * factor for factor in (2, 4, 7, 8))}):
        height, width = padded(ODD, multiple)
        sizes = [padded(wish.size, multiple), (height, width)]
        if multiple > 1:  # the two sizes may be equal
            sizes.append((height + multiple, width + 2 * multiple))
        elif min(reductions) == largest:  # some networks cut off patches in one part only
            sizes.append((3 * largest - 3, 4 * largest - 1))
        channels = [_channels(features, wish, size, reductions[-1]) for size in sizes]
        if all(channels) and len(set(channels)) == 1:  # tokens that do not fill their grid change the channels
            return Fit(multiple)
    return Fit(1, only) if _channels(features, wish, only, reductions[-1]) else None


def padded(size: Size, multiple: int) -> Size:
    """The size, with both sides rounded up to a multiple.

    >>> padded((30, 48), 16)
    (32, 48)
    """
    return size[0] + -size[0] % multiple, size[1] + -size[1] % multiple


def example(wish: Wish, size: Size) -> Tensor:
    """An image on the meta device."""
    return torch.empty(1, wish.in_chans, *size, device="meta")


def _channels(features: Features, wish: Wish, size: Size, reduction: int) -> tuple[int, ...]:
    """The channels of the features of an image of this size; none if the network does not take it."""
    try:
        with torch.no_grad():
            maps = features(example(wish, size))
    except InputError:
        raise
    except Exception:  # timm's networks raise anything for sizes that they do not take
        return ()
    # a network that resizes images itself would stretch them
    fits = all(isinstance(x, Tensor) and x.ndim == 4 for x in maps) and all(
        abs(pixels - side / reduction) <= SLACK for pixels, side in zip(maps[-1].shape[2:], size, strict=True)
    )
    return tuple(x.shape[1] for x in maps) if fits else ()
