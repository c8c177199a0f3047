"""Joint transforms of an image and its targets, on torchvision's `transforms.v2`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from afanet.tasks.depth.target import DepthMap as DepthMap
from afanet.tasks.maps import Map
from afanet.tasks.normals.target import NormalMap as NormalMap

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Flip(v2.RandomHorizontalFlip):
    """Mirror everything left to right, with probability `p`; the values of maps, such as normals, are mirrored too.

    >>> right = NormalMap(torch.tensor([1.0, 0.0, 0.0])[:, None, None])
    >>> Flip(p=1)(right).flatten().tolist()
    [-1.0, 0.0, 0.0]
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        flipped = super().transform(inpt, params)
        return flipped.mirrored() if isinstance(flipped, Map) else flipped


class Zoom(v2.Transform):
    """Cut a random window with the image's proportions and resize it to `size`: one resize for scale and crop.

    The scale s is uniform in [1, `most`], the window 1/s as high and as wide as the image and anywhere in it.
    What appears s times as large is s times as near: depth is divided by s, so that surfaces keep their width and
    lose depth, and a normal (x, y, z) becomes (x, y, s z), at unit length again. Maps take the nearest source pixel, so
    no value is interpolated across an edge or a hole; the image is bilinear, antialiased.
    With `most=1` it is a plain resize of the whole image.

    >>> depth = DepthMap(torch.full((1, 8, 8), 3.0))
    >>> near = Zoom((4, 4), most=2.0)(depth)
    >>> near.shape, bool(1.5 <= near.min() == near.max() <= 3.0)
    (torch.Size([1, 4, 4]), True)
    """

    def __init__(self, size: tuple[int, int], most: float = 1.0):
        super().__init__()
        self.size = size
        self.most = most

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = F.get_size(next(x for x in flat_inputs if isinstance(x, tv_tensors.TVTensor)))
        scale, down, across = torch.rand(3).tolist()
        scale = 1 + (self.most - 1) * scale
        rows, columns = max(1, round(height / scale)), max(1, round(width / scale))
        return {
            "window": (
                round(down * (height - rows)),
                round(across * (width - columns)),
                rows,
                columns,
            ),
            "scale": math.sqrt(height / rows * width / columns),  # of the window as rounded to pixels
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        top, left, rows, columns = params["window"]
        if isinstance(inpt, tv_tensors.Mask):
            # torchvision's mask kernel takes the pixel at a cell's corner; the image is sampled at its centre.
            nearest = inpt[..., _centres(top, rows, self.size[0])[:, None], _centres(left, columns, self.size[1])]
            nearest = tv_tensors.wrap(nearest, like=inpt)
            return nearest.nearer(params["scale"]) if isinstance(nearest, Map) else nearest
        if isinstance(inpt, tv_tensors.Image):
            if (rows, columns) == self.size == F.get_size(inpt):
                return inpt
            return F.resized_crop(inpt, top, left, rows, columns, list(self.size), antialias=True)
        return inpt


def _centres(start: int, length: int, count: int) -> Tensor:
    """Indices of the source pixels that hold the centres of `count` equal cells of [start, start + length)."""
    return start + ((2 * torch.arange(count) + 1) * length) // (2 * count)


def _normalise() -> list[v2.Transform]:
    dtypes = {tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.int64, "others": None}
    return [v2.ToDtype(dtypes, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)]


def training(size: tuple[int, int], *, zoom: float, augment: bool = True) -> v2.Compose:
    """Scale up to `zoom` and crop to `size`, flip, mild changes of light and colour, ImageNet normalisation.

    All random numbers are from torch's generator. Without `augment` it is `evaluation(size)`.
    """
    if not augment:
        return evaluation(size)
    return v2.Compose(
        [
            Zoom(size, zoom),
            Flip(),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            *_normalise(),
        ]
    )


def evaluation(size: tuple[int, int]) -> v2.Compose:
    """Resize to `size`, never cropped, and normalise: ground truth is scored at `size`, resized to it by nearest.

    >>> image = tv_tensors.Image(torch.zeros(3, 8, 12, dtype=torch.uint8))
    >>> evaluation((4, 6))(image).shape
    torch.Size([3, 4, 6])
    """
    return v2.Compose([Zoom(size), *_normalise()])


def as_input(photo: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """A photo (H, W, 3) of any size as a network's input in evaluation: resized and normalised, float32 (3, *size).

    >>> as_input(np.zeros((8, 12, 3), np.uint8), (4, 6)).shape
    torch.Size([3, 4, 6])
    """
    pixels = torch.from_numpy(np.require(photo, requirements="W")).permute(2, 0, 1)
    sample = {"image": tv_tensors.Image(pixels), "targets": {}, "id": ""}
    image: Tensor = evaluation(size)(sample)["image"].as_subclass(Tensor)
    return image


def denormalise(image: Tensor) -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a normalised image (3, H, W), every value rounded to the nearest.

    >>> photo = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> bool((denormalise(as_input(photo, (2, 2))) == photo).all())
    True
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    values = image.as_subclass(Tensor).detach().float().cpu().permute(1, 2, 0) * std + mean
    pixels: NDArray[np.uint8] = (values * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels
