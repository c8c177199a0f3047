"""The parts of the body, and the images that have people."""

from __future__ import annotations

import torch
from torch import Tensor

# The seven of PASCAL-Context, numbered from 0.
PARTS = ("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs")


def with_people(target: Tensor, void: int) -> Tensor:
    """A target, or a batch of them, (..., H, W), with `void` everywhere in images that have no part.

    >>> with_people(torch.tensor([[[0, 0]], [[0, 2]], [[0, 255]]]), 255).tolist()
    [[[255, 255]], [[0, 2]], [[255, 255]]]
    """
    part = (target > 0) & (target != void)
    return torch.where(part.flatten(-2).any(-1)[..., None, None], target, void)
