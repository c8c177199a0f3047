"""NYUv2 as the folders of NYUD_MT (Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey")."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.files import read_image
from afanet.data.nyuv2.files import check_complete, listed, read_array
from afanet.data.nyuv2.frames import Frames, Raw
from afanet.errors import InputError

FOLDERS = {
    "images": (".jpg", ".png"),
    "segmentation": (".png", ".npy"),
    "depth": (".npy",),
    "normals": (".npy", ".jpg", ".png"),
}
PARTS = {"image": "images", "labels": "segmentation", "depth": "depth", "normals": "normals"}
EXPECTED = "gt_sets/, images/, segmentation/, depth/"


class NyudMt(Frames):
    """Frames by name: `images/*.jpg`, `segmentation/*.png` (0 void, 1..40), `depth/*.npy` in metres, `normals/*.npy`.

    `gt_sets/train.txt` and `val.txt` name the frames of either split, one a line. Labels may be `.npy` too, and normals
    an image, in which 0..255 stands for -1..1; the folder of normals may be missing.
    """

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False):
        super().__init__(table, normals)
        self.root = root
        self.own_normals = normals and (root / "normals").is_dir()
        self.train, self.val = (self._named(f"{split}.txt") for split in ("train", "val"))
        both = set(self.train) & set(self.val)
        if both:
            raise InputError(f"{root / 'gt_sets'} has frame {min(both)} in train.txt and in val.txt: keep it in one")
        needed = [folder for folder in FOLDERS if folder != "normals" or self.own_normals]
        self.paths = {folder: listed(root / folder, FOLDERS[folder], EXPECTED) for folder in needed}
        check_complete(
            {root / folder: paths for folder, paths in self.paths.items()}, [*self.train, *self.val], "gt_sets/ names"
        )

    def _named(self, file: str) -> list[str]:
        path = self.root / "gt_sets" / file
        try:
            names = path.read_text(encoding="utf-8-sig").split()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read ({error}): it must name a frame a line") from None
        if not names or len(set(names)) < len(names):
            twice = next((name for name in names if names.count(name) > 1), None)
            found = f"frame {twice} twice" if twice else "no frame"
            raise InputError(f"{path} names {found}, expected each frame of the split once, one a line")
        return names

    def files(self, frame: str) -> tuple[Path, ...]:
        return tuple(paths[frame] for paths in self.paths.values())

    def where(self, frame: str, part: str) -> str:
        return str(self.paths[PARTS[part]][frame])

    def name(self, frame: str) -> str:
        return frame

    def raw(self, frame: str) -> Raw:
        path = {folder: paths[frame] for folder, paths in self.paths.items()}
        labels, depth = path["segmentation"], read_array(path["depth"], "depth map")
        return Raw(
            read_image(path["images"], "RGB", "photo"),
            read_array(labels, "label map") if labels.suffix == ".npy" else read_image(labels, "L", "label map"),
            depth[..., 0] if depth.ndim == 3 and depth.shape[2] == 1 else depth,
            _normals(path["normals"]) if self.own_normals else None,
        )


def _normals(path: Path) -> NDArray[np.float32]:
    if path.suffix == ".npy":
        return np.asarray(read_array(path, "map of normals"), np.float32)
    colours: NDArray[np.float32] = np.divide(read_image(path, "RGB", "map of normals"), 127.5, dtype=np.float32)
    return colours - 1
