"""The options of a task's loss in a recipe: `weight`, which every kind of task has, and those of losses of classes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afanet.errors import InputError, shown, unknown
from afanet.tasks.class_weights import BALANCED, ClassWeights, read_class_weights, read_factor
from afanet.tasks.meaning import is_number
from afanet.tasks.task import Task

WEIGHT = "weight"
SHARPEST = 100  # the largest gamma
OWNERS = {  # the losses that take each option
    "class_weights": ("cross_entropy", "focal", "ce_dice"),
    "label_smoothing": ("cross_entropy", "ce_dice"),
    "gamma": ("focal",),
    "dice": ("ce_dice",),
}


def choose_loss(task: Task, options: Mapping[str, Any]) -> Task:
    """The task with the loss that a recipe's `losses.TASK` describes.

    `weight` becomes the task's `loss_weight`; the kind's `with_loss` sees the other options alone. Raises `InputError`
    for a weight that is not a number from 1e-30 to 1e30, and as `with_loss` does.

    >>> from afanet.tasks import Depth
    >>> task = choose_loss(Depth(), {"name": "berhu", "weight": 2})
    >>> task.loss_name, task.loss_weight
    ('berhu', 2.0)
    """
    weight = read_factor(f"weight of the loss of task '{task.name}' is", options.get(WEIGHT, 1))
    of_kind = {key: value for key, value in options.items() if key != WEIGHT}
    changed = copy.copy(task) if WEIGHT in options and not of_kind else task.with_loss(of_kind)
    changed.loss_weight = weight
    return changed


def require_options(task: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise `InputError` for an option that is not among those `known` to the loss of a task.

    >>> require_options("age", {"nam": "l1"}, ["name"])
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown option of the loss of task 'age' 'nam', did you mean 'name'? (known: name, weight)
    """
    for key in options:
        if key not in known:
            raise unknown(f"option of the loss of task '{task}'", str(key), [*known, WEIGHT])


@dataclass(frozen=True)
class ClassLoss:
    """How a task learns its classes, or its labels.

    Args:
        name: `cross_entropy`, `focal`, `dice`, or `ce_dice`, the sum of cross-entropy and Dice.
        class_weights: a weight for each class; `balanced` until the classes are counted.
        gamma: for `focal`, how strongly labels that are already predicted well are discounted; 0 is cross-entropy.
        label_smoothing: the share of each label that is spread evenly over all classes, 0 to below 1.
        dice: for `ce_dice`, a factor on Dice.
    """

    name: str = "cross_entropy"
    class_weights: ClassWeights | str | None = None
    gamma: float = 2.0
    label_smoothing: float = 0.0
    dice: float = 1.0

    @property
    def weights(self) -> ClassWeights | None:
        """The weights of classes; raises `InputError` until the classes are counted."""
        if isinstance(self.class_weights, str):
            raise InputError(
                f"class_weights are {self.class_weights}, but no class is counted yet: call with_counts with how "
                "often each class occurs"
            )
        return self.class_weights


def read_class_loss(task: str, classes: Sequence[str], options: Mapping[str, Any], names: Sequence[str]) -> ClassLoss:
    """The loss of classes that `options` describe, one of `names`.

    Raises `InputError` if there is no option, for an unknown option or one of another loss, and for a value out of
    range.

    >>> read_class_loss("age", ["young", "old"], {"name": "focal", "gamma": 1}, ["cross_entropy", "focal"]).gamma
    1.0
    """
    known = ["name", *(key for key, owners in OWNERS.items() if set(owners) & set(names))]
    require_options(task, options, known)
    if not options:
        raise InputError(f"the loss of task '{task}' has no options, expected some of: {', '.join([*known, WEIGHT])}")
    name = str(options.get("name", ClassLoss.name))
    if name not in names:
        raise unknown(f"loss of task '{task}'", name, names)
    for key, owners in OWNERS.items():
        if key in options and name not in owners:
            listed = " or ".join(owner for owner in owners if owner in names)
            raise InputError(f"{key} of task '{task}' is an option of the loss {listed}, not of {name}: take it out")
    gamma, smoothing = options.get("gamma", ClassLoss.gamma), options.get("label_smoothing", ClassLoss.label_smoothing)
    if not is_number(gamma) or not 0 <= gamma <= SHARPEST:
        raise InputError(f"gamma of task '{task}' is {shown(gamma)}, expected a number from 0 to {SHARPEST}")
    if not is_number(smoothing) or not 0 <= smoothing < 1:
        raise InputError(f"label_smoothing of task '{task}' is {shown(smoothing)}, expected a number from 0 to below 1")
    weights = options.get("class_weights")
    if "class_weights" in options and weights != BALANCED:
        weights = read_class_weights(task, classes, weights)
    dice = read_factor(f"dice of task '{task}' is", options.get("dice", ClassLoss.dice))
    return ClassLoss(name, weights, float(gamma), float(smoothing), dice)
