"""NYUv2 as the folders of arrays that MTAN's authors preprocessed (Liu, Johns & Davison, CVPR 2019)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.nyuv2.files import check_complete, numbered, read_array
from afanet.data.nyuv2.frames import Frames, Raw
from afanet.errors import InputError

SPLITS = ("train", "val")
PARTS = {"image": "image", "labels": "label", "depth": "depth", "normals": "normal"}
EXPECTED = "train/ and val/, each with image/, label/ and depth/"


class Mtan(Frames):
    """Frames `SPLIT/N` as `SPLIT/{image,label,depth,normal}/N.npy`, SPLIT being `train` or `val`.

    Images are floating point of 0 to 1, (H, W, 3); labels 0..12, -1 void; depth (H, W, 1), metres; normals (H, W, 3).
    The folders of normals may be missing.
    """

    first = -1

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False):
        super().__init__(table, normals)
        self.root = root
        self.own_normals = normals and all((root / split / "normal").is_dir() for split in SPLITS)
        self.parts = [part for part in PARTS if part != "normals" or self.own_normals]
        self.train, self.val = (self._frames(root / split) for split in SPLITS)

    def _frames(self, folder: Path) -> list[str]:
        found = {folder / PARTS[part]: numbered(folder / PARTS[part], ".npy", EXPECTED) for part in self.parts}
        check_complete(found, set().union(*found.values()), "the other folders have")
        numbers = sorted(int(stem) for stem in found[folder / "image"])
        if not numbers:
            raise InputError(f"{folder / 'image'} has no frame, expected 0.npy, 1.npy and so on: copy them there")
        return [f"{folder.name}/{number}" for number in numbers]

    def _path(self, frame: str, part: str) -> Path:
        split, number = frame.split("/")
        return self.root / split / PARTS[part] / f"{number}.npy"

    def files(self, frame: str) -> tuple[Path, ...]:
        return tuple(self._path(frame, part) for part in self.parts)

    def where(self, frame: str, part: str) -> str:
        return str(self._path(frame, part))

    def name(self, frame: str) -> str:
        return frame

    def raw(self, frame: str) -> Raw:
        arrays = {part: read_array(self._path(frame, part), f"{PARTS[part]} array") for part in self.parts}
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
