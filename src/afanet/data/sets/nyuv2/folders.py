"""NYUv2 as plain folders of images, by 1-based official index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.nyuv2.files import FileFrames, listed
from afanet.data.sets.nyuv2.frames import Raw
from afanet.label_files import read_image
from afanet.photo import read_photo

FOLDERS = {"rgb": ".jpg", "label40": ".png", "depth_mm": ".png"}
PARTS = {"image": "rgb", "labels": "label40", "depth": "depth_mm"}
EXPECTED = ", ".join(f"{folder}/NNNN{suffix}" for folder, suffix in FOLDERS.items())


class Folders(FileFrames):
    """Frames as `rgb/NNNN.jpg`, `label40/NNNN.png` (uint8) and `depth_mm/NNNN.png` (uint16, millimetres).

    `indices` come from file names: every index that has a file in any of the folders.
    """

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False):
        super().__init__(root, tuple(PARTS), table, normals)
        names_by_folder = (
            listed(root / folder, rf"[0-9]{{4}}\{suffix}", EXPECTED) for folder, suffix in FOLDERS.items()
        )
        self.indices = {int(name[:4]) for names in names_by_folder for name in names}

    def path(self, index: int, part: str) -> Path:
        return self.root / PARTS[part] / f"{index:04d}{FOLDERS[PARTS[part]]}"

    def raw(self, index: int) -> Raw:
        millimetres = read_image(self.path(index, "depth"), "I;16", "depth map")
        return Raw(
            read_photo(self.path(index, "image")),
            read_image(self.path(index, "labels"), "L", "label map"),
            np.divide(millimetres, 1000, dtype=np.float32),
        )
