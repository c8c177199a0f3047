"""Passes in training mode that do not change the running statistics of batch norms."""

from __future__ import annotations

from torch import nn


class WithoutStatistics:
    """A context in which batch norms use the statistics of their batches, and do not update the running ones."""

    def __init__(self, network: nn.Module) -> None:
        self.norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]

    def __enter__(self) -> None:
        for norm in self.norms:
            norm.track_running_stats = False

    def __exit__(self, *error: object) -> None:
        for norm in self.norms:
            norm.track_running_stats = True
