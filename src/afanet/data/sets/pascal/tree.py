"""The tree PASCAL_MT: the images of PASCAL-Context, with labels for five tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors

from afanet.data.edges import edges_from_labels
from afanet.data.files import require_shape
from afanet.data.sample import Reader, Sample
from afanet.data.sets.pascal.annotations import read_context, read_parts
from afanet.data.transforms import NormalMap
from afanet.errors import InputError
from afanet.label_files import read_image
from afanet.photo import read_photo
from afanet.tasks.edges.target import EdgeMap
from afanet.tasks.multi_label_segmentation.target import LabelMasks

FILES = {  # by task; the first file that exists counts
    "image": ("JPEGImages/{}.jpg",),
    "segmentation": ("semseg/VOC12/{}.png", "semseg/pascal-context/{}.png"),
    "human_parts": ("human_parts/{}.mat",),
    "saliency": ("sal_distill/{}.png",),
    "normals": ("normals_distill/{}.png",),
    "edges": ("pascal-context/trainval/{}.mat",),
}
VOID = 255
CLASSES = 21
HALF = 127  # of 255: brighter pixels are salient
# Classes of PASCAL-Context that NYUv2 has too, and tvmonitor: the network that gave the normals learnt on NYUv2.
KNOWN_TO_NYU = np.array([
    3, 4, 6, 9, 10, 11, 13, 15, 17, 18, 22, 23, 29, 30, 33, 34, 36, 37, 38, 39, 41, 43, 46, 49, 50, 51, 53, 55, 56, 59,
    61, 62, 65, 66, 68, 69, 72, 73, 78, 83, 84, 85, 87, 88, 95, 96, 101, 104, 105, 107, 111, 113, 115, 122, 124, 135,
    141, 142, 143, 146, 150, 154, 157, 158, 159, 165, 172, 174, 181, 183, 184, 191, 193, 195, 197, 199, 202, 213, 215,
    216, 219, 220, 223, 225, 228, 230, 232, 233, 238, 239, 242, 243, 246, 250, 251, 252, 255, 260, 261, 263, 269, 272,
    273, 275, 281, 283, 284, 285, 286, 287, 288, 290, 291, 292, 293, 295, 304, 307, 309, 310, 314, 315, 319, 323, 329,
    330, 331, 336, 342, 345, 349, 350, 351, 352, 355, 357, 368, 370, 371, 374, 379, 380, 383, 384, 397, 401, 403, 405,
    407, 408, 411, 412, 413, 414, 417, 419, 421, 423, 427, 429, 430, 432, 440, 441, 442, 443, 444, 446, 454, 457,
])  # fmt: skip


class Tree(Reader):
    """Reader of images by name, below `root`."""

    def __init__(self, root: Path):
        self.root = root
        self.of_voc = {path.stem for path in (root / "semseg/VOC12").glob("*.png")}

    def path(self, name: str, task: str) -> Path:
        """The file of an image (task `image`) or of its labels."""
        first, *others = FILES[task]
        chosen = others[0] if others and name not in self.of_voc else first
        return self.root / chosen.format(name)

    def files(self, name: str) -> tuple[Path, ...]:
        return tuple(self.path(name, task) for task in FILES)

    def __call__(self, name: str) -> Sample:
        image = read_photo(self.path(name, "image"))
        context = read_context(self.path(name, "edges"))
        maps: dict[str, NDArray[Any]] = {
            "edges": context,
            "segmentation": _classes(self.path(name, "segmentation")),
            "saliency": _salient(self.path(name, "saliency")),
            "normals": read_image(self.path(name, "normals"), "RGB", "map of normals"),
        }
        for task, values in maps.items():
            require_shape(self.path(name, task), values.shape[:2], self.path(name, "image"), image.shape[:2])
        parts = read_parts(self.path(name, "human_parts"), context.shape)
        return {
            "image": tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)),
            "targets": {
                "segmentation": tv_tensors.Mask(torch.from_numpy(maps["segmentation"])),
                "human_parts": tv_tensors.Mask(torch.from_numpy(parts)),
                "saliency": LabelMasks(torch.from_numpy(maps["saliency"][None])),
                "normals": NormalMap(torch.from_numpy(_normals(maps["normals"], context))),
                "edges": EdgeMap(torch.from_numpy(edges_from_labels(context))),
            },
            "id": f"JPEGImages/{name}.jpg",
        }


def _classes(path: Path) -> NDArray[np.uint8]:
    labels: NDArray[np.uint8] = read_image(path, ("L", "P"), "map of classes")
    if wrong := set(np.unique(labels).tolist()) - {*range(CLASSES), VOID}:
        raise InputError(f"{path} has label {min(wrong)}, expected 0 to {CLASSES - 1}, or {VOID} (void): copy it again")
    return labels


def _salient(path: Path) -> NDArray[np.int8]:
    """1 where a saliency map is above half of 255, else 0."""
    stored = read_image(path, "L", "map of saliency from 0 to 255")
    if stored.max() == 1:
        raise InputError(
            f"{path} has values 0 and 1, expected 0 to 255, of which more than {HALF} is salient: multiply them by 255"
        )
    return (stored > HALF).astype(np.int8)


def _normals(colours: NDArray[np.uint8], context: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vectors (3, H, W) from values 0 to 255, which stand for -1 to 1; 0 if the class is not in `KNOWN_TO_NYU`."""
    vectors = np.divide(colours, 127.5, dtype=np.float32) - 1
    vectors /= np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-6)
    vectors[~np.isin(context, KNOWN_TO_NYU)] = 0
    return np.ascontiguousarray(vectors.transpose(2, 0, 1))
