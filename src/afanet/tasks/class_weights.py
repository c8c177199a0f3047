"""Cross-entropy in which some classes count more than others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.errors import InputError, shown, unknown
from afanet.tasks.across import Across
from afanet.tasks.loss_options import require_options


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, weights: Sequence[float] | None, ignore: int, across: Across
) -> Tensor:
    """The sum of w_y times -ln p_y over that of w_y, y being the labelled classes of all processes; in nats.

    Every w is 1 without `weights`, (C,). Logits (B, C, ...), target (B, ...), in which `ignore` is no label.

    >>> from afanet.tasks.across import ALONE
    >>> weighted_cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([0]), None, -1, ALONE)  # ln(1 + exp(-2))
    tensor(0.1269)
    """
    known = target != ignore
    if weights is None:
        total = F.cross_entropy(logits.float(), target, ignore_index=ignore, reduction="sum")
        return across.mean(total, known.sum())
    w = torch.tensor(weights, device=logits.device)
    total = F.cross_entropy(logits.float(), target, weight=w, ignore_index=ignore, reduction="sum")
    return across.mean(total, torch.where(known, w[target.where(known, 0)], 0).sum())


def read_class_weights(task: str, classes: Sequence[str], options: Mapping[str, Any]) -> tuple[float, ...]:
    """The weight of each class, from `class_weights`, the one option of this loss: in the classes' order or by name.

    Classes that are not named have weight 1. Raises `InputError` for an unknown option or class, for another number of
    weights than of classes, and for a weight that is not a finite number above 0.

    >>> read_class_weights("segmentation", ["floor", "wall", "bed"], {"class_weights": {"bed": 5}})
    (1.0, 1.0, 5.0)
    """
    require_options(task, options, ["class_weights"])
    given = options.get("class_weights")
    if isinstance(given, Mapping):
        named = {str(name): weight for name, weight in given.items()}  # YAML reads a class called 3 as a number
        for name in named:
            if name not in classes:
                raise unknown(f"class of task '{task}'", name, classes)
        given = [named.get(name, 1) for name in classes]
    if not isinstance(given, list | tuple) or len(given) != len(classes):
        value = f"{len(given)} numbers" if isinstance(given, list | tuple) else shown(given)
        raise InputError(
            f"class_weights of task '{task}' are {value}, expected one for each of its {len(classes)} classes, or some "
            "by the classes' names"
        )
    for name, weight in zip(classes, given, strict=True):
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise InputError(f"class_weights of task '{task}' give '{name}' {shown(weight)}, expected a number above 0")
    return tuple(map(float, given))
