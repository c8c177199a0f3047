"""The mean loss of each task over an epoch: over the batches in which it has a label."""

from __future__ import annotations

import torch
from torch import Tensor


class EpochLosses:
    """Sums the losses of N tasks over the steps of an epoch, without waiting for the device.

    A step with a loss that is not finite does not count.

    >>> losses = EpochLosses(2, torch.device("cpu"))
    >>> for of_second, has_label in ((0.25, 1.0), (0.0, 0.0), (0.0, 0.0)):
    ...     losses.add(torch.tensor([1.0, of_second]), torch.tensor([1.0, has_label]), 1)
    >>> losses.finish()
    (3, [1.0, 0.25])
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self.sums = torch.zeros(2 * count + 1, device=device)  # losses by task, batches by task, steps
        self.count = count

    def add(self, losses: Tensor, labelled: Tensor, batches: int) -> None:
        """Count a step.

        Args:
            losses: each task's loss, averaged over the batches of the step, (N,); without a label it is 0.
            labelled: in how many batches of the step each task has a label, (N,).
            batches: the number of batches in the step.
        """
        counted = torch.cat([losses * batches, labelled, losses.new_ones(1)])
        self.sums += torch.where(losses.isfinite().all(), counted, 0)

    def finish(self) -> tuple[int, list[float]]:
        """The steps that counted and each task's mean loss, NaN for a task without a label; resets the sums."""
        totals, batches, steps = torch.split(self.sums, [self.count, self.count, 1])
        means: list[float] = (totals / batches).tolist()
        counted = int(steps)
        self.sums.zero_()
        return counted, means

    def state(self) -> Tensor:
        """The sums, (2 N + 1,)."""
        return self.sums

    def like(self, state: Tensor) -> Tensor:
        """An example of a state in the version of `state`: older ones had only the losses and the steps, (N + 1,)."""
        return self.sums[: self.count + 1] if state.shape == (self.count + 1,) else self.sums

    def load_state(self, state: Tensor) -> None:
        """Continue from a `state`; in one of an older version, no label counts as missing."""
        if len(state) == self.count + 1:
            state = torch.cat([state[:-1], state[-1:].expand(self.count), state[-1:]])
        self.sums.copy_(state)
