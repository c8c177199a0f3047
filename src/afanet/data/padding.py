"""The padding around a letterboxed image: 0 in the image, unlabelled in every target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.sample import Sample, Transform
from afanet.tasks import Task

INSIDE = ""  # the name of a map; no task can have it


class Framed:
    """Transform steps with a `Zoom` that letterboxes: the padding is 0 in the image and unlabelled in all targets.

    A map of the pixels inside goes through the steps with the sample, so the result is right whatever the steps do.
    0 is the mean colour after normalisation. If there is padding, the sample says in `padding` where.

    >>> from torchvision.transforms import v2
    >>> from afanet.data.transforms import Zoom
    >>> sample = {"image": tv_tensors.Image(torch.ones(3, 8, 4)), "targets": {}, "id": ""}
    >>> steps = v2.Compose([Zoom((4, 4), resize="letterbox")])
    >>> (Framed(steps, {})(sample)["image"][0, 0]).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(self, steps: Transform, tasks: Mapping[str, Task]):
        self.steps = steps
        self.tasks = tasks

    @property
    def transforms(self) -> Sequence[Any]:
        """The steps themselves."""
        return self.steps.transforms

    def __call__(self, sample: Sample) -> Sample:
        inside = tv_tensors.Mask(torch.ones(sample["image"].shape[-2:], dtype=torch.uint8))
        marked = sample.copy()
        marked["targets"] = {**sample["targets"], INSIDE: inside}
        seen: Sample = self.steps(marked)
        outside = seen["targets"].pop(INSIDE).as_subclass(Tensor) == 0
        if not outside.any():
            return seen
        for name, target in seen["targets"].items():
            if isinstance(target, tv_tensors.Mask) and name in self.tasks:
                values, void = (
                    target.as_subclass(Tensor),
                    self.tasks[name].unlabelled((outside.shape[0], outside.shape[1])),
                )
                kept = torch.where(outside, void.to(values.dtype), values)
                seen["targets"][name] = tv_tensors.wrap(kept, like=target)
        image = seen["image"]
        seen["image"] = tv_tensors.wrap(image.as_subclass(Tensor).masked_fill(outside, 0), like=image)
        seen["padding"] = outside
        return seen
