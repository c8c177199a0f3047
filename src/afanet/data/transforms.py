"""Joint transforms of an image and its targets, on torchvision's `transforms.v2`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from afanet.data.augment import COLOUR, Augment
from afanet.data.channels import Channels
from afanet.data.padding import Framed
from afanet.data.sample import Sample
from afanet.framing import Box, Resize, framing
from afanet.normalisation import IMAGENET, Normalisation, as_picture
from afanet.tasks import Task
from afanet.tasks.depth.target import DepthMap as DepthMap
from afanet.tasks.maps import Map, Points
from afanet.tasks.normals.target import NormalMap as NormalMap


class Flip(v2.RandomHorizontalFlip):
    """Mirror everything left to right with probability `p`, including points and the values of maps such as normals.

    In a mirrored sample, the labels of `tasks` with a `swap` exchange their sides.

    >>> right = NormalMap(torch.tensor([1.0, 0.0, 0.0])[:, None, None])
    >>> Flip(p=1)(right).flatten().tolist()
    [-1.0, 0.0, 0.0]
    """

    def __init__(self, p: float = 0.5, tasks: Mapping[str, Task] | None = None):
        super().__init__(p)
        self.swapping = {name: task for name, task in (tasks or {}).items() if task.swap}

    def forward(self, *inputs: Any) -> Any:
        if not self.swapping:
            return super().forward(*inputs)
        [sample] = inputs
        if torch.rand(1) >= self.p:
            return sample
        mirrored = Flip(p=1)(sample)
        for name, task in self.swapping.items():
            if (target := mirrored["targets"].get(name)) is not None:
                swapped = task.swapped(target.as_subclass(Tensor))
                is_map = isinstance(target, tv_tensors.TVTensor)
                mirrored["targets"][name] = tv_tensors.wrap(swapped, like=target) if is_map else swapped
        return mirrored

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        flipped = super().transform(inpt, params)
        return flipped.mirrored() if isinstance(flipped, Map | Points) else flipped


class Zoom(v2.Transform):
    """Cut a random window with the image's proportions and resize it to `size`: one resize for scale and crop.

    The scale s is uniform in [1, `most`]. The window is 1/s as high and as wide as the image, and lies `anywhere` in it
    or in its middle. A thing that appears s times as large is s times as near: depth is divided by s, so that surfaces
    keep their width and lose depth, and a normal (x, y, z) becomes (x, y, s z), at unit length again. Maps take the
    nearest source pixel, so no value is interpolated across an edge or a hole; the image is interpolated bilinearly,
    antialiased. Points outside the window become unknown. With `most=1`, this is a plain resize of the whole image.

    `resize` says how images of other proportions fit, see `framing`. A letterboxed image is padded with the network's
    `mean`, and maps with 0, which `Framed` makes unlabelled. With `pad=False` there is no padding, and the size is that
    of the image alone.

    >>> depth = DepthMap(torch.full((1, 8, 8), 3.0))
    >>> near = Zoom((4, 4), most=2.0)(depth)
    >>> near.shape, bool(1.5 <= near.min() == near.max() <= 3.0)
    (torch.Size([1, 4, 4]), True)
    >>> Zoom((4, 4), resize="letterbox")(DepthMap(torch.full((1, 8, 4), 3.0)))[0, 0].tolist()
    [0.0, 3.0, 3.0, 0.0]
    """

    def __init__(
        self,
        size: tuple[int, int],
        most: float = 1.0,
        *,
        anywhere: bool = True,
        resize: Resize = "stretch",
        pad: bool = True,
        mean: tuple[float, ...] = IMAGENET.mean,
    ):
        super().__init__()
        self.size = size
        self.most = most
        self.anywhere = anywhere
        self.resize: Resize = resize
        self.pad = pad
        self.mean = mean

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = F.get_size(next(x for x in flat_inputs if isinstance(x, tv_tensors.Image | tv_tensors.Mask)))
        frame = framing((height, width), self.size, self.resize)
        seen = frame.seen
        scale, down, across = torch.rand(3).tolist()
        if not self.anywhere:
            down = across = 0.5
        scale = 1 + (self.most - 1) * scale
        rows, columns = max(1, round(seen.height / scale)), max(1, round(seen.width / scale))
        top = seen.top + round(down * (seen.height - rows))
        left = seen.left + round(across * (seen.width - columns))
        return {
            "image": (height, width),
            "window": Box(top, left, rows, columns),
            "filled": frame.filled,
            "scale": math.sqrt(seen.height / rows * seen.width / columns),  # of the window after rounding to pixels
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        window, filled = params["window"], params["filled"]
        if isinstance(inpt, tv_tensors.Mask):
            # torchvision's mask kernel takes the pixel at a cell's corner, but the image is sampled at the centre.
            rows = _centres(window.top, window.height, filled.height)
            nearest = inpt[..., rows[:, None], _centres(window.left, window.width, filled.width)]
            nearest = tv_tensors.wrap(nearest, like=inpt)
            nearest = nearest.nearer(params["scale"]) if isinstance(nearest, Map) else nearest
            return self._padded(nearest, filled, nearest.new_zeros(1))
        if isinstance(inpt, Points):
            points = inpt.within(params["image"], window)
            return points.placed(filled, self.size) if self.pad else points
        if isinstance(inpt, tv_tensors.Image):
            size = (filled.height, filled.width)
            if not (window.height, window.width) == size == F.get_size(inpt):
                inpt = F.resized_crop(
                    inpt, window.top, window.left, window.height, window.width, list(size), antialias=True
                )
            mean = torch.tensor(self.mean)[:, None, None]
            return self._padded(inpt, filled, mean if inpt.is_floating_point() else (255 * mean).round())
        return inpt

    def _padded(self, values: Any, filled: Box, around: Tensor) -> Any:
        if not self.pad or (filled.height, filled.width) == self.size:
            return values
        padded = values.new_empty((*values.shape[:-2], *self.size)).copy_(around.expand(*values.shape[:-2], 1, 1))
        padded[..., *filled.slices] = values
        return tv_tensors.wrap(padded, like=values)


def _centres(start: int, length: int, count: int) -> Tensor:
    """Indices of the source pixels that hold the centres of `count` equal cells of [start, start + length)."""
    return start + ((2 * torch.arange(count) + 1) * length) // (2 * count)


def _normalise() -> list[v2.Transform]:
    dtypes = {tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}
    return [v2.ToDtype(dtypes, scale=True), v2.Normalize(IMAGENET.mean, IMAGENET.std)]


def training(size: tuple[int, int], *, zoom: float, augment: bool | Augment = True) -> v2.Compose:
    """Scale up to `zoom` and crop to `size`, flip, mild changes of light and colour, ImageNet normalisation.

    A run replaces channels and normalisation by those of its own network, see `with_normalisation`.

    `augment` switches each of these changes, see `Augment`; without `augment`, the result is `evaluation(size)`. All
    random numbers come from torch's generator.
    """
    if not augment:
        return evaluation(size)
    switches = augment if isinstance(augment, Augment) else Augment()
    colour = COLOUR if switches.colour is None else switches.colour
    return v2.Compose(
        [
            Channels(),
            Zoom(size, zoom if switches.zoom is None else switches.zoom, anywhere=switches.crop),
            *([Flip()] if switches.mirror else []),
            *([v2.ColorJitter(brightness=colour, contrast=colour, saturation=colour)] if colour else []),
            *_normalise(),
        ]
    )


def evaluation(size: tuple[int, int], resize: Resize = "stretch") -> v2.Compose:
    """Resize to `size` and normalise; ground truth is resized by nearest neighbour and scored at `size`.

    >>> image = tv_tensors.Image(torch.zeros(3, 8, 12, dtype=torch.uint8))
    >>> evaluation((4, 6))(image).shape
    torch.Size([3, 4, 6])
    """
    return v2.Compose([Channels(), Zoom(size, resize=resize), *_normalise()])


def normalised(steps: Sequence[Any], normalisation: Normalisation) -> v2.Compose:
    """The steps of a transform with the channels, the padding and the normalisation of a network.

    A colour jitter is left out for images that are neither RGB nor grey.
    """
    changed: list[Any] = [Channels(normalisation.channels)]
    for step in steps:
        if isinstance(step, Zoom):
            step = copy(step)
            step.mean = normalisation.mean
        elif isinstance(step, v2.Normalize):
            step = v2.Normalize(normalisation.mean, normalisation.std)
        colourless = isinstance(step, v2.ColorJitter) and not has_colours(normalisation)
        changed += [] if isinstance(step, Channels) or colourless else [step]
    return v2.Compose(changed)


def has_colours(normalisation: Normalisation) -> bool:
    """Whether a network's images are RGB or grey: a colour jitter cannot change others."""
    return normalisation.channels in (1, 3)


def as_input(
    photo: NDArray[np.uint8],
    size: tuple[int, int],
    resize: Resize = "stretch",
    normalisation: Normalisation = IMAGENET,
) -> Tensor:
    """An image (H, W, C) of any size as input for a network in evaluation, float32 (channels, *size).

    Raises `InputError` as `as_channels` does.

    >>> as_input(np.zeros((8, 12, 3), np.uint8), (4, 6)).shape
    torch.Size([3, 4, 6])
    """
    pixels = torch.from_numpy(np.require(photo, requirements="W")).permute(2, 0, 1)
    sample: Sample = {"image": tv_tensors.Image(pixels), "targets": {}, "id": ""}
    steps = normalised(evaluation(size, resize).transforms, normalisation)
    image: Tensor = (Framed(steps, {}) if resize == "letterbox" else steps)(sample)["image"].as_subclass(Tensor)
    return image


def denormalise(image: Tensor, normalisation: Normalisation = IMAGENET) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a normalised image (C, H, W), see `as_picture` and `to_pixels`."""
    return as_picture(to_pixels(image, normalisation))


def to_pixels(image: Tensor, normalisation: Normalisation = IMAGENET) -> NDArray[np.uint8]:
    """The pixels (H, W, C) of a normalised image (C, H, W), each value rounded to the nearest level.

    >>> photo = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> bool((to_pixels(as_input(photo, (2, 2))) == photo).all())
    True
    """
    mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
    values = image.as_subclass(Tensor).detach().float().cpu().permute(1, 2, 0) * std + mean
    pixels: NDArray[np.uint8] = (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels
