"""Furnished rooms that the program generates: image, exact segmentation and exact depth, nothing to download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torchvision import tv_tensors

from afanet.data.augment import Augmentation
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.sets.rooms.furniture import CLASSES, furnish
from afanet.data.sets.rooms.raycast import render
from afanet.data.transforms import DepthMap, NormalMap, evaluation, training
from afanet.errors import InputError
from afanet.limits import MOST_SAMPLES
from afanet.tasks import Depth, Normals, Segmentation, Task

SPLITS = ("train", "test")


def open_rooms(
    root: Path | None = None,
    size: Size = (96, 128),
    *,
    train_scenes: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 640,
    test_scenes: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 128,
    seed: Annotated[int, Field(ge=0)] = 0,
    augment: Augmentation = True,
    normals: bool = False,
) -> Data:
    """Procedural rooms with `segmentation` into eight classes and `depth` in metres, rendered at `size` = (H, W).

    With `normals`, they also have surface normals. A scene depends only on `seed`, split and index, so every run sees
    the same scenes; the two splits share none.

    >>> rooms = open_rooms(size=(24, 32), train_scenes=4, test_scenes=2)
    >>> rooms.describe
    'rooms: 4 training and 2 test scenes of seed 0, at 24x32'
    >>> rooms.test[0]["targets"]["depth"].shape
    torch.Size([1, 24, 32])
    """
    if root is not None:
        raise InputError(f"data set 'rooms' makes its scenes itself, found data path '{root}': leave --data out")
    train, test = (Rooms(seed, split, size, normals) for split in SPLITS)
    tasks: dict[str, Task] = {"segmentation": Segmentation(CLASSES), "depth": Depth(10.0)}
    return Data(
        train=Split(train, range(train_scenes), training(size, zoom=1.5, augment=augment)),
        test=Split(test, range(test_scenes), evaluation(size)),
        tasks=tasks | ({"normals": Normals()} if normals else {}),
        describe=f"rooms: {train_scenes} training and {test_scenes} test scenes of seed {seed}, at {size[0]}x{size[1]}",
    )


class Rooms(Reader):
    """Reader of the endless series of scenes that `seed` and the split's name determine."""

    def __init__(self, seed: int, split: str, size: tuple[int, int], normals: bool = False):
        self.normals = normals
        self.seed = seed
        self.split = split
        self.size = size

    def __call__(self, index: int) -> Sample:
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), index])
        view = render(furnish(rng), self.size)
        more = {"normals": NormalMap(torch.from_numpy(view.normals))} if self.normals else {}
        return {
            "image": tv_tensors.Image(torch.from_numpy(view.image).permute(2, 0, 1)),
            "targets": {
                "segmentation": tv_tensors.Mask(torch.from_numpy(view.labels)),
                "depth": DepthMap(torch.from_numpy(view.depth)[None]),
                **more,
            },
            "id": f"rooms/{self.split}/{self.seed}/{index}",
        }
