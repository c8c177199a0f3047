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
from afanet.label_files import read_image
from afanet.tasks.column import FileColumn, read_floats
from afanet.tasks.depth.target import DepthMap
from afanet.tasks.depth.task import Depth
from afanet.tasks.task import Task


class DepthColumn(FileColumn):
    """A 16-bit PNG, `scale` metres a step, or a `.npy` of metres (H, W); 0 is not measured.

    `max` is the far end of the pictures' colours, in metres.
    """

    remark: ClassVar[str] = "scale: metres a step of the PNG; max: the far end of the pictures' colours, metres"
    folders: ClassVar[tuple[str, ...]] = ("depth",)
    endings: ClassVar[tuple[str, ...]] = (".png", ".npy")
    scale: PositiveFloat = 0.001
    max: PositiveFloat = 10.0

    def task(self, name: str) -> Task:
        return Depth(self.max, name=name)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() == ".npy":
            metres = read_floats(path, 2, "depth map in metres (H, W)")
            if (metres < 0).any():
                raise InputError(f"{path} has depth {metres.min():g} m, expected 0 (not measured) or more: mend it")
        else:
            steps = read_image(path, ("I;16",), "depth map of 16 bits a pixel")
            metres = np.multiply(steps, self.scale, dtype=np.float32)
        return DepthMap(torch.from_numpy(metres)[None])

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """Millimetres in PNG, metres in `.npy`."""
        if files[0].suffix.lower() == ".png":
            read_image(files[0], ("I;16",), "depth map of 16 bits a pixel")
            return {"scale": 0.001, "max": 10}, ", taken to be in millimetres"
        return {"max": 10}, ", taken to be in metres"
