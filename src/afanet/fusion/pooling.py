"""Mean pooling into a fixed number of bins, in operations that exporters support for any size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pool(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """The mean of each bin of (B, C, H, W), for a fixed grid.

    For an export of free sizes it is spelled out: the ONNX exporter of torch takes torch's own pooling of such sizes
    as if the image had the example's size, without an error.

    >>> x = torch.rand(1, 2, 5, 7)
    >>> bool(torch.allclose(pool(x, (2, 3)), mean_of_bins(x, 2, 3)))
    True
    """
    if torch.compiler.is_exporting() and not all(type(pixels) is int for pixels in x.shape[2:]):
        return mean_of_bins(x, *grid)
    return F.adaptive_avg_pool2d(x, grid)


def mean_of_bins(x: Tensor, rows: int, columns: int) -> Tensor:
    """The mean of each bin, as two matrix products: bin i of n takes the pixels floor(iH/n) to ceil((i+1)H/n)."""
    if isinstance(rows, int) and isinstance(columns, int) and rows == columns == 1:
        return x.mean((2, 3), keepdim=True)
    return _averages(x, 2, rows) @ x @ _averages(x, 3, columns).mT


def limits_of_bins(x: Tensor, axis: int, bins: int) -> tuple[Tensor, Tensor]:
    """The first pixel of each bin along the axis, and the one after its last."""
    number, pixels = torch.arange(bins, device=x.device), x.shape[axis]
    return number * pixels // bins, ((number + 1) * pixels + bins - 1) // bins


def _averages(x: Tensor, axis: int, bins: int) -> Tensor:
    start, end = (limit[:, None] for limit in limits_of_bins(x, axis, bins))
    pixel = torch.arange(x.shape[axis], device=x.device)
    inside = (pixel >= start) & (pixel < end)
    return inside.to(x.dtype) / (end - start).to(x.dtype)
