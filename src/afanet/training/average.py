"""The average of a network's weights over the steps, kept beside the network that learns."""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average(AveragedModel):
    """torch's `AveragedModel` of parameters and buffers, exponential with a `decay`, that never waits for its device.

    torch's own class copies its step count to the device at every step, and waits for the copy.

    >>> network = nn.Linear(1, 1)
    >>> average = Average(network, decay=0.9)
    >>> average.update_parameters(network)
    >>> torch.equal(average.module.weight, network.weight)
    True
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__(network, use_buffers=True)
        self.blend = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Move the average towards `model`; the first time, copy `model`."""
        pairs: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for averaged, current in zip(_values(self.module), _values(model), strict=True):
            ours, theirs = pairs.setdefault(averaged.dtype, ([], []))
            ours.append(averaged.detach())
            theirs.append(current.detach())
        first = bool(self.n_averaged == 0)  # a tensor on the CPU
        for ours, theirs in pairs.values():
            if first:
                torch._foreach_copy_(ours, theirs)
            else:
                self.blend(ours, theirs, self.n_averaged)
        self.n_averaged += 1


def _values(network: nn.Module) -> chain[Tensor]:
    return chain(network.parameters(), network.buffers())
