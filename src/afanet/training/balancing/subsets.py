"""One balancing method for each set of tasks that occur together in a batch, each with its own memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from afanet.errors import InputError, shown
from afanet.training.balancing.angles import CPU
from afanet.training.balancing.memory import in_float64, memory_fault, recall, remember
from afanet.training.balancing.method import Balancing


class Subsets:
    """The modules of one balancing method, by the tasks that they balance, counted from 0.

    The module of all `count` tasks exists from the start, every other one from its first use.

    >>> from afanet.training.balancing.methods import find_balancing
    >>> subsets = Subsets(find_balancing("equal"), 3, {})
    >>> subsets[0, 2] is subsets[0, 2], subsets[0, 1, 2] is subsets.whole
    (True, True)
    """

    def __init__(self, row: Balancing, count: int, options: Mapping[str, Any], weights: Sequence[float] = ()) -> None:
        self.row, self.options = row, row.chosen(options)
        self.all = tuple(range(count))
        self.weights = weights
        self.whole: Any = self._create(self.all)
        self.modules: dict[tuple[int, ...], Any] = {self.all: self.whole}

    def __getitem__(self, tasks: tuple[int, ...]) -> Any:
        if tasks not in self.modules:
            self.modules[tasks] = self._create(tasks)
        return self.modules[tasks]

    def _create(self, tasks: Sequence[int]) -> Any:
        return self.row.create(len(tasks), self.options, [self.weights[task] for task in tasks if self.weights])

    def state(self) -> list[tuple[list[int], list[dict[str, Any]]]]:
        """The memory of each module, as tensors and plain values."""
        return [(list(tasks), remember(module)) for tasks, module in self.modules.items()]

    def load_state(self, state: list[tuple[list[int], list[dict[str, Any]]]], device: torch.device) -> None:
        """Load `state`; small problems stay on the CPU in float64, the rest goes to `device`.

        Raises `InputError` for a state that is not of this method, and then changes nothing.
        """
        small = self.row.sees in ("angles", "gramian", "unit gramian")
        state = [(tasks, in_float64(memory) if small else memory) for tasks, memory in state]
        for tasks, memory in state:
            if not tasks or tasks != sorted(set(tasks)) or not set(tasks) <= set(self.all):
                raise InputError(f"the state is of the tasks {shown(tasks)}, expected some of {list(self.all)}")
            with torch.random.fork_rng(devices=[]):
                fresh = self._create(tasks)
            if fault := memory_fault(fresh, memory, len(tasks)):
                raise InputError(f"the memory of balancing by '{self.row.name}' cannot be used: {fault}")
        self.modules = {self.all: self.whole}
        for tasks, memory in state:
            recall(self[tuple(tasks)], memory, CPU if small else device)
