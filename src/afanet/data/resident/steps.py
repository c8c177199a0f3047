"""What the random steps of a transform decide for a sample, computed without the sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data.channels import Channels
from afanet.data.padding import Framed
from afanet.data.transforms import Flip, Zoom
from afanet.errors import InputError
from afanet.framing import Box
from afanet.tasks import Task

ORDER: tuple[type, ...] = (Channels, Zoom, Flip, v2.ColorJitter, v2.ToDtype, v2.Normalize)
SERVED = "Channels, Zoom, Flip, ColorJitter, ToDtype and Normalize, in this order"
BRIGHTNESS, CONTRAST, SATURATION = range(3)  # as `v2.ColorJitter` numbers them
FACTORS = ("brightness_factor", "contrast_factor", "saturation_factor")


@dataclass(frozen=True)
class View:
    """How a sample is seen: the parameters of its zoom, whether it is mirrored, and the changes of colour in order.

    A change is a pair of its number, `BRIGHTNESS`, `CONTRAST` or `SATURATION`, and its factor. `corner` is the top left
    corner of the crop.
    """

    zoom: dict[str, Any]
    mirrored: bool
    colours: tuple[tuple[int, float], ...]
    corner: tuple[int, int]

    @property
    def window(self) -> Box:
        """The part of the stored image that is seen."""
        box: Box = self.zoom["window"]
        return box

    @property
    def filled(self) -> Box:
        """The part of the input that the window fills."""
        box: Box = self.zoom["filled"]
        return box


@dataclass(frozen=True)
class Steps:
    """The steps of a transform that resident data support, each None if the transform lacks it.

    `before` and `after` are steps of the frame around the zoom, which change maps only by place, such as `EigenCrop`.
    """

    zoom: Zoom
    flip: Flip | None
    jitter: v2.ColorJitter | None
    normalise: v2.Normalize
    channels: int
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()

    @classmethod
    def read(cls, steps: Sequence[Any], split: str) -> Self:
        """The steps of a transform; raises `InputError` for a step that is not supported, and for a missing step.

        >>> from afanet.data.transforms import training
        >>> Steps.read(training((4, 6), zoom=1.5).transforms, "train").zoom.most
        1.5
        """
        of_frame = [step for step in steps if getattr(step, "of_frame", False)]
        others = [step for step in steps if step not in of_frame]
        places = [_place(step, split) for step in others]
        by_place: dict[int, Any] = dict(zip(places, others, strict=True))
        required = {place for place, kind in enumerate(ORDER) if kind not in (Flip, v2.ColorJitter)}
        if places != sorted(set(places)) or not required <= set(places):
            found = ", ".join(type(step).__name__ for step in others) or "no steps"
            raise InputError(f"the {split} split has {found}; with data.resident it needs {SERVED}: {OTHERWISE}")
        zoom = by_place[ORDER.index(Zoom)]
        middle = list(steps).index(zoom)
        return cls(
            zoom,
            flip=by_place.get(ORDER.index(Flip)),
            jitter=by_place.get(ORDER.index(v2.ColorJitter)),
            normalise=by_place[ORDER.index(v2.Normalize)],
            channels=by_place[ORDER.index(Channels)].channels,
            before=tuple(step for step in steps[:middle] if step in of_frame),
            after=tuple(step for step in steps[middle:] if step in of_frame),
        )

    def draw(self, size: tuple[int, int], crop: v2.RandomCrop | None = None) -> View:
        """What the steps decide for an image of `size` = (H, W), drawn from torch's generator as the steps would draw.

        >>> from afanet.data.transforms import training
        >>> with torch.random.fork_rng():
        ...     _ = torch.manual_seed(0)
        ...     Steps.read(training((4, 6), zoom=1.5).transforms, "train").draw((8, 12)).window
        Box(top=2, left=0, height=6, width=10)
        """
        zoom = self.zoom.make_params([_blank(size)])
        mirrored = self.flip is not None and bool(torch.rand(1) < self.flip.p)
        if mirrored and self.swapping:
            torch.rand(1)  # a random flip calls a certain flip, which draws as well
        colours: tuple[tuple[int, float], ...] = ()
        if self.jitter is not None:
            drawn = self.jitter.make_params([])
            order = (number for number in drawn["fn_idx"].tolist() if number < len(FACTORS))
            colours = tuple((n, drawn[FACTORS[n]]) for n in order if drawn[FACTORS[n]] is not None)
        place = {"top": 0, "left": 0} if crop is None else crop.make_params([_blank(self.zoom.size)])
        return View(zoom, mirrored, colours, (place["top"], place["left"]))

    @property
    def swapping(self) -> Mapping[str, Task]:
        """The tasks whose labels exchange their sides in a mirrored sample."""
        return {} if self.flip is None else self.flip.swapping


OTHERWISE = "leave data.resident out, or change its transforms"


def steps_of(transform: Any, origin: tuple[int, ...], split: str) -> Steps:
    """The steps for samples of an `origin`, empty unless data sets are joined; raises as `Steps.read` does."""
    transform = transform.steps if isinstance(transform, Framed) else transform
    parts = getattr(transform, "parts", None)
    if parts is not None:
        return steps_of(parts[origin[0]], origin[1:], split)
    return Steps.read(getattr(transform, "transforms", [transform]), split)


def _place(step: Any, split: str) -> int:
    """The place of a step in `ORDER`."""
    hue = isinstance(step, v2.ColorJitter) and step.hue is not None
    if type(step) not in ORDER or hue:
        name = "ColorJitter with hue" if hue else type(step).__name__
        raise InputError(
            f"data.resident cannot serve the step {name} of the {split} split, expected {SERVED}: {OTHERWISE}"
        )
    return ORDER.index(type(step))


def _blank(size: tuple[int, int]) -> tv_tensors.Image:
    """An image of a size, without memory for its pixels."""
    return tv_tensors.Image(torch.zeros(1, 1, 1, dtype=torch.uint8).expand(1, *size))
