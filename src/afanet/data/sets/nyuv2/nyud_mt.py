"""NYUv2 as the folders of NYUD_MT (Vandenhende et al., "Multi-Task Learning for Dense Prediction Tasks: A Survey")."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.lists import read_lists
from afanet.data.sets.nyuv2.files import FileFrames, listed
from afanet.data.sets.nyuv2.frames import Raw
from afanet.label_files import read_array, read_image
from afanet.photo import read_photo
from afanet.tasks.edges.column import EdgesColumn

# The file types in each folder; a frame uses the first that exists.
FOLDERS = {
    "images": (".jpg", ".png"),
    "segmentation": (".png", ".npy"),
    "depth": (".npy",),
    "normals": (".npy", ".jpg", ".png"),
    "edge": (".png", ".npy"),
}
PARTS = {"image": "images", "labels": "segmentation", "depth": "depth", "normals": "normals", "edges": "edge"}
EXPECTED = "gt_sets/, images/*.jpg, segmentation/*.png, depth/*.npy"


class NyudMt(FileFrames):
    """Frames by name: `images/*.jpg`, `segmentation/*.png` (0 void, 1..40), `depth/*.npy` in metres, `normals/*.npy`.

    `gt_sets/train.txt` and `val.txt` name the frames of the two splits, one per line. Labels may also be `.npy` files,
    and normals images, in which 0..255 stands for -1..1. `edge/*.png` is 255 on an edge and 0 elsewhere. The folders of
    normals and edges may be missing.
    """

    def __init__(self, root: Path, table: NDArray[np.uint8], normals: bool = False, edges: bool = False):
        own = {"normals": normals and (root / "normals").is_dir(), "edges": edges and (root / "edge").is_dir()}
        self.own_normals, self.own_edges = own["normals"], own["edges"]
        super().__init__(root, [part for part in PARTS if own.get(part, True)], table, normals)
        self.edges = edges
        self.train, self.val = read_lists(root / "gt_sets/train.txt", root / "gt_sets/val.txt", "images/")
        self.names = {part: self._names(PARTS[part]) for part in self.parts}

    def _names(self, folder: str) -> set[str]:
        return listed(self.root / folder, rf".+({'|'.join(map(re.escape, FOLDERS[folder]))})", EXPECTED)

    def path(self, frame: str, part: str) -> Path:
        names = [f"{frame}{suffix}" for suffix in FOLDERS[PARTS[part]]]
        return self.root / PARTS[part] / next((name for name in names if name in self.names[part]), names[0])

    def raw(self, frame: str) -> Raw:
        labels, depth = self.path(frame, "labels"), read_array(self.path(frame, "depth"), "depth map")
        return Raw(
            read_photo(self.path(frame, "image")),
            read_array(labels, "label map") if labels.suffix == ".npy" else read_image(labels, "L", "label map"),
            depth[..., 0] if depth.ndim == 3 and depth.shape[2] == 1 else depth,
            _normals(self.path(frame, "normals")) if self.own_normals else None,
            EdgesColumn().read(self.path(frame, "edges"))[0].numpy() if self.own_edges else None,
        )


def _normals(path: Path) -> NDArray[np.float32]:
    if path.suffix == ".npy":
        return np.asarray(read_array(path, "map of normals"), np.float32)
    colours: NDArray[np.float32] = np.divide(read_image(path, "RGB", "map of normals"), 127.5, dtype=np.float32)
    return colours - 1
