"""The sums of a loss over all processes that train together."""

from __future__ import annotations

import torch
from torch import Tensor


class Across:
    """Sums and maxima over all processes; this base class is for a single process and returns its arguments."""

    def sum(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, through which gradients flow."""
        return values

    def mean(self, total: Tensor, count: Tensor) -> Tensor:
        """The sum of all totals over the sum of all counts; 0 if all counts are 0.

        >>> ALONE.mean(torch.tensor(6.0), torch.tensor(4)), ALONE.mean(torch.tensor(0.0), torch.tensor(0))
        (tensor(1.5000), tensor(0.))
        """
        totals, counts = self.sum(torch.stack([total, count.to(total.dtype)]))
        mean: Tensor = totals / torch.where(counts > 0, counts, 1)
        return mean

    def max(self, values: Tensor) -> Tensor:
        """The maximum of `values` over the processes, without a gradient."""
        return values.detach()


ALONE = Across()
