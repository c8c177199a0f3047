"""Masks of several labels as a target."""

from __future__ import annotations

from afanet.tasks.maps import Map


class LabelMasks(Map):
    """A mask for each label, int8 (L, H, W): 1 on, 0 off, -1 not known.

    It flips and crops like a mask. In a batch it stays int8, an eighth of the memory of a plain mask.
    """
