"""Samples at their size on disk, for scores at the size of their labels."""

from __future__ import annotations

from typing import Any

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Split
from afanet.data.channels import Channels
from afanet.data.sets.joined import JoinedTransform
from afanet.data.steps import every_step
from afanet.data.transforms import Zoom
from afanet.errors import InputError
from afanet.framing import Resize

UNDONE = (Zoom, Channels, v2.ToDtype, v2.Normalize)  # undone by the predictor, or without effect on positions


def at_own_size(split: Split, source: str, size: tuple[int, int], resize: Resize) -> Split:
    """A split whose samples keep the size of their files: pixels as they are read, and targets as metrics take them.

    Parts of a frame that a data set leaves out, such as NYUv2's border with the mask of Eigen et al., are left out here
    too.

    Args:
        split: the split, which reads its samples at `size`.
        source: the name of its data, for a message.
        size: (H, W) of the network's images.
        resize: how its images fit that size, see `framing`.

    Raises `InputError` if the images are changed by anything but one resize, which can be undone.
    """
    if isinstance(split.transform, JoinedTransform):
        raise InputError(
            f"{source} cannot be scored at the size of its labels: it joins several data sets; give one of "
            "them with --data RECIPE, or leave --at truth out"
        )
    steps = every_step(split.transform)
    zooms = [step for step in steps if isinstance(step, Zoom)]
    fits = len(zooms) == 1 and zooms[0].most == 1 and (zooms[0].size, zooms[0].resize) == (size, resize)
    odd = [step for step in steps if not (isinstance(step, UNDONE) or getattr(step, "of_frame", False))]
    if odd or not fits:
        names = ", ".join(dict.fromkeys(type(step).__name__ for step in odd or steps))
        raise InputError(
            f"{source} cannot be scored at the size of its labels: its images are changed by {names}, and only one "
            "resize of the whole image (afanet.data.transforms.Zoom) can be undone; leave --at truth out"
        )
    frame: list[Any] = [step for step in steps if getattr(step, "of_frame", False)]
    types = {tv_tensors.Mask: torch.int64, "others": None}
    return Split(split.read, split.items, v2.Compose([*frame, v2.ToDtype(types)]))
