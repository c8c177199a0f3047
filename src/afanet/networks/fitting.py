"""The fusion layers where branches meet, between adapters if their features differ in shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.meetings import Meeting, Shape


@dataclass(frozen=True)
class Layers:
    """Makes the fusion layer of each meeting.

    Args:
        fusion: called as ``fusion(channels, tasks=N, size=(H, W))``, and with ``readers`` if some tasks only give.
        image: a tensor with the type and device of the images.
        adapt: whether branches may meet with features of different shapes.

    Raises:
        InputError: if `fusion` does not return a module.
    """

    fusion: Callable[..., nn.Module] | None
    image: Tensor
    adapt: bool

    def __call__(self, meeting: Meeting) -> nn.Module:
        """A fusion layer for these features, between adapters if their shapes differ."""
        assert self.fusion is not None
        channels, *size = next(iter(meeting.shapes.values()))
        some: dict[str, list[int]] = {}
        if len(meeting.readers) < len(meeting.layouts):
            some["readers"] = [number for number, task in enumerate(meeting.layouts) if task in meeting.readers]
            _require_readers(self.fusion, meeting)
        layer = self.fusion(channels, tasks=len(meeting.shapes), size=tuple(size), **some)
        if not isinstance(layer, nn.Module):
            raise InputError(
                f"the fusion called for '{meeting.name}' returned a {type(layer).__name__}: expected a torch.nn.Module"
            )
        differ = len(set(meeting.shapes.values())) > 1
        made = Fitting(layer, meeting.shapes) if differ else layer
        return made.to(self.image.device, self.image.dtype)


def _require_readers(fusion: Callable[..., nn.Module], meeting: Meeting) -> None:
    """Raise `InputError` for a fusion layer that takes no argument `readers`."""
    taken, layer = signature(fusion).parameters, getattr(fusion, "func", fusion)
    if "readers" not in taken and not any(each.kind is Parameter.VAR_KEYWORD for each in taken.values()):
        raise InputError(
            f"{getattr(layer, '__name__', 'the fusion')} takes no readers, so {', '.join(meeting.readers)} cannot join "
            "the others one way: take **guard in its constructor, and pass it to super().__init__"
        )


class ShapeAdapter(nn.Module):
    """Converts a branch's features to the shape of the first branch's, and changes in them back.

    The way in is a 1x1 convolution to the first branch's channels, then bilinear resizing to its height and width. The
    way back is another 1x1 convolution and resizing to the branch's own size. The first convolution starts as a random
    orthogonal matrix, the second as its transpose. So features keep their scale, and return to the channels from which
    they came: a branch with no more channels than the first starts as if it met the first without adapters.

    Args:
        channels: the channels of the branch's features.
        common: the channels of the first branch's features.

    >>> import torch
    >>> adapter = ShapeAdapter(channels=8, common=16)
    >>> x = torch.rand(2, 8, 6, 6)
    >>> adapter(x, like=torch.rand(2, 16, 3, 3)).shape
    torch.Size([2, 16, 3, 3])
    >>> torch.allclose(adapter.back(adapter.into(x)), x, atol=1e-5)
    True
    """

    def __init__(self, channels: int, common: int) -> None:
        super().__init__()
        self.into = nn.Conv2d(channels, common, 1, bias=False)
        self.back = nn.Conv2d(common, channels, 1, bias=False)
        nn.init.orthogonal_(self.into.weight)
        self.back.weight.data.copy_(self.into.weight.data.transpose(0, 1))

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """The branch's features (B, C, H, W) in the shape of the first branch's."""
        return _resized(self.into(x), like)

    def leave(self, x: Tensor, change: Tensor) -> Tensor:
        """The branch's features plus a change that has the shape of the first branch's features."""
        return x + _resized(self.back(change).to(x.dtype), x)


class Fitting(nn.Module):
    """A fusion layer for features of different shapes: they meet in the shape of the first branch's.

    Branches with the first branch's shape enter the layer as they are, the others through a :class:`ShapeAdapter`.
    An adapted branch goes on with its own features plus the layer's change, x + back(fused - entered). So a layer that
    passes features through leaves every branch unchanged bit for bit, and nothing that an adapter cannot carry is lost.
    Gradients reach all parameters from the first step, since neither convolution of an adapter starts at zero.

    Args:
        layer: takes and returns a list of N tensors of one shape.
        shapes: (channels, height, width) of every branch's features for the example image, by task, in their order.

    >>> import torch
    >>> from afanet import AFA
    >>> fitting = Fitting(AFA(16, tasks=2, size=(4, 4)), {"depth": (16, 4, 4), "age": (8, 6, 6)})
    >>> [tuple(y.shape) for y in fitting([torch.rand(2, 16, 4, 4), torch.rand(2, 8, 6, 6)])]
    [(2, 16, 4, 4), (2, 8, 6, 6)]
    """

    def __init__(self, layer: nn.Module, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        first, *_ = shapes.values()
        self.layer = layer
        self.adapters = nn.ModuleDict(
            {task: ShapeAdapter(shape[0], first[0]) for task, shape in shapes.items() if shape != first}
        )
        self.tasks = list(shapes)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """The branches' features (B, C, H, W) after they met, each in its own shape."""
        adapters = [self._adapter(task) for task in self.tasks]
        entered = [x if adapter is None else adapter(x, xs[0]) for adapter, x in zip(adapters, xs, strict=True)]
        fused = self.layer(entered)
        return [
            y if adapter is None else adapter.leave(x, y - e)
            for adapter, x, e, y in zip(adapters, xs, entered, fused, strict=True)
        ]

    def _adapter(self, task: str) -> ShapeAdapter | None:
        return cast(ShapeAdapter, self.adapters[task]) if task in self.adapters else None


def _resized(x: Tensor, like: Tensor) -> Tensor:
    # always called, since other images may have other sizes; at the same size bilinear resizing is the identity
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
