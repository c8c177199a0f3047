"""Readers of single NYUv2 frames, by their 1-based official index: plain folders, and the official MATLAB 7.3 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors

from afanet.data.files import read_image
from afanet.data.sample import Reader, Sample
from afanet.data.transforms import DepthMap
from afanet.errors import InputError

FOLDERS = {"rgb": ".jpg", "label40": ".png", "depth_mm": ".png"}


class Folders(Reader):
    """Frames as `rgb/NNNN.jpg`, `label40/NNNN.png` (uint8) and `depth_mm/NNNN.png` (uint16, millimetres).

    `table` maps the ids in the label files to classes. The indices are told from the file names alone.
    """

    def __init__(self, root: Path, table: NDArray[np.uint8]):
        self.root = root
        self.table = table
        found = {folder: self._listed(folder, suffix) for folder, suffix in FOLDERS.items()}
        for folder, indices in found.items():
            absent = set.union(*found.values()) - indices
            if absent:
                raise InputError(
                    f"{root / folder} has {len(indices)} frames and lacks {len(absent)} that the other folders have, "
                    f"the first {min(absent):04d}{FOLDERS[folder]}: copy the folder again"
                )
        self.indices = found["rgb"]

    def _listed(self, folder: str, suffix: str) -> set[int]:
        if not (self.root / folder).is_dir():
            raise InputError(f"{self.root / folder} is missing, expected {'/, '.join(FOLDERS)}/: copy it there")
        paths = (self.root / folder).iterdir()
        return {int(path.stem) for path in paths if path.suffix == suffix and path.stem.isdecimal()}

    def files(self, index: int) -> tuple[Path, ...]:
        return tuple(self.root / folder / f"{index:04d}{suffix}" for folder, suffix in FOLDERS.items())

    def __call__(self, index: int) -> Sample:
        rgb, label40, depth_mm = self.files(index)
        image = read_image(rgb, "RGB", "photo")
        labels = read_image(label40, "L", "label map")
        depth = read_image(depth_mm, "I;16", "depth map")
        for path, values in ((label40, labels), (depth_mm, depth)):
            if values.shape != image.shape[:2]:
                raise InputError(
                    f"{path} is {_by(values.shape)} pixels, expected {_by(image.shape)} as its photo {rgb}: resize it"
                )
        return _sample(
            image.transpose(2, 0, 1),
            labels,
            np.divide(depth, 1000, dtype=np.float32),
            self.table,
            index,
            str(label40),
        )


class MatFile(Reader):
    """Frames of `nyu_depth_v2_labeled.mat`, whose arrays stand as (frame, [colour,] column, row) in HDF5.

    Every read opens the file for itself: 1 ms, and no handle is shared between worker processes.
    """

    def __init__(self, path: Path, table: NDArray[np.uint8]):
        self.path = path
        self.table = table
        with self._open() as file:
            found = {name: getattr(file.get(name), "shape", ()) for name in ("images", "labels", "depths")}
        frames, width, height = (*found["labels"], 0, 0, 0)[:3]
        maps = (frames, width, height)
        for name, shape in {"images": (frames, 3, width, height), "labels": maps, "depths": maps}.items():
            if found[name] != shape or not frames:
                raise InputError(
                    f"{path} has '{name}' of shape {found[name] or 'none'}, expected images (N, 3, W, H), labels and "
                    f"depths (N, W, H), as many of each: give the official file"
                )
        self.indices = set(range(1, frames + 1))

    def _open(self) -> Any:
        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise InputError(f"{self.path} is no whole MATLAB 7.3 file ({error}): copy it again") from error

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.path,)

    def __call__(self, index: int) -> Sample:
        with self._open() as file:
            try:
                image, labels, depth = (file[name][index - 1] for name in ("images", "labels", "depths"))
            except OSError as error:
                raise InputError(f"{self.path} is damaged at frame {index} ({error}): copy it again") from error
        where = f"{self.path}, frame {index},"
        return _sample(image.swapaxes(1, 2), labels.T, depth.T.astype(np.float32), self.table, index, where)


def _sample(
    image: NDArray[Any],
    labels: NDArray[Any],
    depth: NDArray[np.float32],
    table: NDArray[np.uint8],
    index: int,
    where: str,
) -> Sample:
    if labels.max() >= len(table):
        raise InputError(f"{where} has label {labels.max()}, expected 0 (void) to {len(table) - 1}: mend the labels")
    return {
        "image": tv_tensors.Image(torch.from_numpy(image)),
        "targets": {
            "segmentation": tv_tensors.Mask(torch.from_numpy(table[labels])),
            "depth": DepthMap(torch.from_numpy(np.ascontiguousarray(depth))[None]),
        },
        "id": f"nyuv2/{index:04d}",
    }


def _by(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"
