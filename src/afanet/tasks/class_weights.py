"""Weights of classes: given in a recipe, or balanced by how often each class occurs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from afanet.errors import InputError, shown, unknown
from afanet.tasks.meaning import is_number
from afanet.tasks.task import Task

ClassWeights = tuple[float, ...]
BALANCED = "balanced"
ABSENT = 1.0  # the weight of a class that does not occur
LEAST, MOST = 1e-30, 1e30  # of a factor: float32 must hold it and its products with losses


class CountedTask(Task):
    """A task whose loss may have weights that wait for its classes to be counted on the training split."""

    @property
    @abstractmethod
    def wants_counts(self) -> bool:
        """Whether the loss needs `with_counts` before it can be computed."""

    @property
    @abstractmethod
    def balanced(self) -> dict[str, float]:
        """The weights that were computed from counts, by the name of what they weigh."""

    @property
    def states(self) -> int:
        """The number of counts that `with_counts` takes, one for each of the task's `occurrences`."""
        return self.occurrences(self.unlabelled((1, 1))[None]).numel()

    @abstractmethod
    def with_counts(self, counts: Sequence[int]) -> Self:
        """The task with weights computed from how often each of its `occurrences` is in the training split."""


def balanced_weights(counts: Sequence[int]) -> ClassWeights:
    """The weight N / (K n) of each class with n of the N labels, where K classes occur; 1 for a class without labels.

    The mean weight of all labels is 1, and each class that occurs has the same total weight.

    >>> balanced_weights([30, 10, 0])
    (0.6666666666666666, 2.0, 1.0)
    """
    total, present = sum(counts), sum(map(bool, counts))
    return tuple(total / (present * count) if count else ABSENT for count in counts)


def weights_on(weights: Sequence[float], device: torch.device) -> Tensor:
    """Weights as a float32 tensor on a device, copied without waiting for the device."""
    return torch.tensor(weights, dtype=torch.float32).to(device, non_blocking=True)


def read_class_weights(task: str, classes: Sequence[str], given: object) -> ClassWeights:
    """The weight of each class, from numbers in the classes' order or by name.

    Classes that are not named have weight 1. Raises `InputError` for an unknown class, for a list with too few or too
    many weights, and for a weight that is not a finite number above 0.

    >>> read_class_weights("segmentation", ["floor", "wall", "bed"], {"bed": 5})
    (1.0, 1.0, 5.0)
    """
    if isinstance(given, Mapping):
        named = {str(name): weight for name, weight in given.items()}  # YAML reads a class called 3 as a number
        for name in named:
            if name not in classes:
                raise unknown(f"class of task '{task}'", name, classes)
        given = [named.get(name, 1) for name in classes]
    if not isinstance(given, list | tuple) or len(given) != len(classes):
        value = f"{len(given)} numbers" if isinstance(given, list | tuple) else shown(given)
        raise InputError(
            f"class_weights of task '{task}' are {value}, expected one for each of its {len(classes)} classes, some "
            f"by the classes' names, or {BALANCED}"
        )
    what = f"class_weights of task '{task}' give"
    return tuple(read_factor(f"{what} '{name}'", weight) for name, weight in zip(classes, given, strict=True))


def read_factor(what: str, value: Any) -> float:
    """A factor on a loss or part of one; unless it is a number above 0, raises `InputError` that begins with `what`.

    >>> read_factor("weight is", 2)
    2.0
    """
    if not is_number(value) or not LEAST <= value <= MOST:
        raise InputError(f"{what} {shown(value)}, expected a number above 0 ({LEAST:g} to {MOST:g})")
    return float(value)
