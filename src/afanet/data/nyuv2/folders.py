"""NYUv2 as plain folders of images, by 1-based official index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.files import read_image
from afanet.data.nyuv2.files import check_complete, numbered
from afanet.data.nyuv2.frames import Frames, Raw

FOLDERS = {"rgb": ".jpg", "label40": ".png", "depth_mm": ".png"}
PARTS = {"image": "rgb", "labels": "label40", "depth": "depth_mm"}
EXPECTED = "/, ".join(FOLDERS) + "/"


class Folders(Frames):
    """Frames as `rgb/NNNN.jpg`, `label40/NNNN.png` (uint8) and `depth_mm/NNNN.png` (uint16, millimetres).

    The indices are told from the file names alone.
    """

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False):
        super().__init__(table, normals)
        self.root = root
        found = {root / folder: numbered(root / folder, suffix, EXPECTED) for folder, suffix in FOLDERS.items()}
        check_complete(found, set().union(*found.values()), "the other folders have")
        self.indices = {int(stem) for stem in found[root / "rgb"]}

    def files(self, index: int) -> tuple[Path, ...]:
        return tuple(self.root / folder / f"{index:04d}{suffix}" for folder, suffix in FOLDERS.items())

    def where(self, index: int, part: str) -> str:
        return f"{self.root / PARTS[part] / f'{index:04d}'}{FOLDERS[PARTS[part]]}"

    def name(self, index: int) -> str:
        return f"{index:04d}"

    def raw(self, index: int) -> Raw:
        rgb, label40, depth_mm = self.files(index)
        millimetres = read_image(depth_mm, "I;16", "depth map")
        return Raw(
            read_image(rgb, "RGB", "photo"),
            read_image(label40, "L", "label map"),
            np.divide(millimetres, 1000, dtype=np.float32),
        )
