"""NYUv2 as the folders of arrays that MTAN's authors preprocessed (Liu, Johns & Davison, CVPR 2019)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.nyuv2.files import FileFrames, listed
from afanet.data.sets.nyuv2.frames import Raw
from afanet.errors import InputError
from afanet.label_files import read_array

SPLITS = ("train", "val")
PARTS = {"image": "image", "labels": "label", "depth": "depth", "normals": "normal"}
EXPECTED = "train/ and val/, each with image/N.npy, label/N.npy and depth/N.npy"


class Mtan(FileFrames):
    """Frames `SPLIT/N` as `SPLIT/{image,label,depth,normal}/N.npy`, where SPLIT is `train` or `val`.

    Images are floating point from 0 to 1, (H, W, 3); labels 0..12, -1 void; depth (H, W, 1), metres; normals (H, W, 3).
    The folders of normals may be missing. A split has every frame that has a file in any folder.
    """

    first = -1

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False):
        self.own_normals = normals and all((root / split / "normal").is_dir() for split in SPLITS)
        super().__init__(root, [part for part in PARTS if part != "normals" or self.own_normals], table, normals)
        self.train, self.val = (self._frames(split) for split in SPLITS)

    def _frames(self, split: str) -> list[str]:
        pattern = r"(0|[1-9][0-9]*)\.npy"
        names_by_part = (listed(self.root / split / PARTS[part], pattern, EXPECTED) for part in self.parts)
        numbers = {int(name.removesuffix(".npy")) for names in names_by_part for name in names}
        return [f"{split}/{number}" for number in sorted(numbers)]

    def path(self, frame: str, part: str) -> Path:
        split, number = frame.split("/")
        return self.root / split / PARTS[part] / f"{number}.npy"

    def raw(self, frame: str) -> Raw:
        arrays = {part: read_array(self.path(frame, part), f"{PARTS[part]} array") for part in self.parts}
        image, depth = arrays["image"], arrays["depth"]
        if image.dtype.kind != "f" or not ((image >= 0) & (image <= 1)).all():
            raise InputError(
                f"{self.where(frame, 'image')} has values of type {image.dtype} from {image.min()} to {image.max()}, "
                f"expected floating point from 0 to 1: copy it again"
            )
        return Raw(
            (image * 255).round().astype(np.uint8),
            arrays["labels"],
            depth[..., 0] if depth.ndim == 3 and depth.shape[2] == 1 else depth,
            arrays.get("normals"),
        )
