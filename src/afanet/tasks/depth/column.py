"""Labels of depth: files of distances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import PositiveFloat
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_array, read_image
from afanet.tasks.column import FileColumn, read_floats
from afanet.tasks.depth.target import DepthMap
from afanet.tasks.depth.task import Depth
from afanet.tasks.task import Task

MILLIMETRE = 0.001  # metres
PICTURE = "depth map of 16 bits a pixel"
ARRAY = "depth map in metres (H, W), or give `scale`, the metres a step"


class DepthColumn(FileColumn):
    """A 16-bit PNG or a `.npy` (H, W), `scale` metres a step; 0 is not measured.

    Without a `scale`, a step is a millimetre in a PNG and a metre in a `.npy` of floats. `max` is the far end of the
    pictures' colours, in metres.
    """

    remark: ClassVar[str] = "scale: metres a step of the files; max: the far end of the pictures' colours, metres"
    folders: ClassVar[tuple[str, ...]] = ("depth",)
    endings: ClassVar[tuple[str, ...]] = (".png", ".npy")
    scale: PositiveFloat | None = None
    max: PositiveFloat = 10.0

    def task(self, name: str) -> Task:
        return Depth(self.max, name=name)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() == ".npy":
            metres = read_floats(path, 2, ARRAY, self.scale)
            if (metres < 0).any():
                raise InputError(f"{path} has depth {metres.min():g} m, expected 0 (not measured) or more: mend it")
        else:
            steps = read_image(path, ("I;16",), PICTURE)
            metres = np.multiply(steps, self.scale or MILLIMETRE, dtype=np.float32)
        return DepthMap(torch.from_numpy(metres)[None])

    @property
    def remedy(self) -> str:
        """What to set where distances look wrong."""
        return "set `scale` to the metres a step of the files, or `max` to the farthest distance in metres"

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """Millimetres in PNG and in whole numbers, metres in floats."""
        arrays = [file for file in files if file.suffix.lower() == ".npy"]
        pictures = [file for file in files if file not in arrays]
        if pictures:
            read_image(pictures[0], ("I;16",), PICTURE)
        if arrays and pictures:
            return {"max": 10}, ", taken to be in millimetres (.png) and metres (.npy)"
        if pictures or read_array(arrays[0], ARRAY).dtype.kind != "f":
            return {"scale": MILLIMETRE, "max": 10}, ", taken to be in millimetres"
        return {"max": 10}, ", taken to be in metres"
