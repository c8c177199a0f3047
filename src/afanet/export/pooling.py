"""Adaptive pooling written in operations that take any size: exporters support it for fixed sizes only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from afanet.fusion.pooling import limits_of_bins, mean_of_bins

Bins = int | None | Sequence[int | None]


class PoolingSpelledOut(TorchFunctionMode):
    """A context in which `adaptive_mean` and `adaptive_max` replace torch's adaptive pooling of (B, C, H, W).

    >>> x = torch.rand(2, 3, 5, 7)
    >>> with PoolingSpelledOut():
    ...     y = F.adaptive_max_pool2d(x, (2, 3))
    >>> bool((y == F.adaptive_max_pool2d(x, (2, 3))).all())
    True
    """

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, arguments: Sequence[Any] = (), named: Any = None
    ) -> Any:
        if function is F.adaptive_avg_pool2d:
            return adaptive_mean(*arguments, **named or {})
        if function in (F.adaptive_max_pool2d, F._adaptive_max_pool2d):  # type: ignore[attr-defined]
            return adaptive_max(*arguments, **named or {})
        return function(*arguments, **named or {})


def adaptive_mean(input: Tensor, output_size: Bins) -> Tensor:
    """The mean of each bin, as `afanet.fusion.pooling.mean_of_bins` computes it."""
    rows, columns = _bins(input, output_size)
    return mean_of_bins(input, rows, columns)


def adaptive_max(input: Tensor, output_size: Bins, return_indices: bool = False) -> Tensor:
    """The maximum of each bin, axis by axis, over as many shifted picks as the largest bin has pixels."""
    assert not return_indices
    x = input
    for axis, bins in zip((2, 3), _bins(input, output_size), strict=True):
        if type(bins) is int and bins == 1:
            x = x.amax(axis, keepdim=True)
            continue
        start, end = limits_of_bins(x, axis, bins)
        # If the number of bins grows with the size, their width is fixed. A fixed number ties the graph to the size.
        pixels = int(x.shape[axis]) if type(bins) is int else _now(x.shape[axis])
        widest = -(-pixels // _now(bins)) + 1
        picks = [x.index_select(axis, torch.minimum(start + step, end - 1)) for step in range(widest)]
        x = picks[0]
        for pick in picks[1:]:
            x = torch.maximum(x, pick)
    return x


def _bins(x: Tensor, size: Bins) -> tuple[int, int]:
    pair = (size, size) if size is None or isinstance(size, int | torch.SymInt) else tuple(size)
    rows, columns = (x.shape[axis] if bins is None else bins for axis, bins in zip((2, 3), pair, strict=True))
    return rows, columns


def _now(size: int) -> int:
    """The size in the traced example, without tying the graph to this size."""
    return size if type(size) is int else int(cast(Any, size).node.hint)
