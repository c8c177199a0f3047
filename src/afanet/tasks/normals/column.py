"""Labels of surface normals: files of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_exr, read_image
from afanet.tasks.column import FileColumn, finite_floats, read_floats
from afanet.tasks.normals.target import NormalMap
from afanet.tasks.normals.task import Normals
from afanet.tasks.task import Task

MEANING = "map of unit vectors (H, W, 3)"
CHANNELS = (("x", "y", "z"), ("r", "g", "b"))  # of vectors in OpenEXR


class NormalsColumn(FileColumn):
    """Unit vectors, x to the right: a `.npy` or `.npz` (H, W, 3), an OpenEXR file of X, Y, Z, or a PNG of 8-bit RGB.

    In a PNG, a value v means v / 127.5 - 1. Unknown pixels are 0, 0, 0; in a PNG, black or mid-grey.
    """

    remark: ClassVar[str] = "unit vectors in the camera's axes, x to the right"
    folders: ClassVar[tuple[str, ...]] = ("normals",)
    endings: ClassVar[tuple[str, ...]] = (".png", ".npy", ".npz", ".exr")

    def task(self, name: str) -> Task:
        return Normals(name=name)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() in (".npy", ".npz"):
            vectors = read_floats(path, 3, MEANING)
        elif path.suffix.lower() == ".exr":
            vectors = finite_floats(path, read_exr(path, MEANING, CHANNELS), 3, MEANING)
        else:
            colours = read_image(path, ("RGB",), "map of normals as 8-bit RGB")
            vectors = np.where(colours.any(2, keepdims=True), colours / np.float32(127.5) - 1, np.float32(0))
        lengths = np.linalg.norm(vectors, axis=2, keepdims=True)
        known = lengths > 0.1  # mid-grey is not quite 0
        if known.any() and abs(float(np.median(lengths[known])) - 1) > 0.1:
            raise InputError(
                f"{path} has vectors of median length {np.median(lengths[known]):.2f}, expected unit normals: "
                "is it another kind of file?"
            )
        units = np.where(known, vectors / np.where(known, lengths, 1), np.float32(0))
        return NormalMap(torch.from_numpy(np.ascontiguousarray(units.transpose(2, 0, 1))))
