"""Labels of depth: files of distances."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_numbers
from afanet.label_files.numbers import ARRAYS, ENDINGS, EXR
from afanet.tasks.column import FileColumn, finite_floats
from afanet.tasks.depth.target import DepthMap
from afanet.tasks.depth.task import Depth
from afanet.tasks.task import Task

MILLIMETRE = 0.001  # metres
PICTURE = "depth map of 16 bits a pixel, or of 32 in a TIFF"
ARRAY = "depth map in metres (H, W), or give `scale`, the metres a step"


class DepthColumn(FileColumn):
    """A 16-bit PNG or TIFF, a TIFF of floats, an OpenEXR file, or a `.npy` or `.npz` (H, W), `scale` metres a step.

    0 is not measured. Without a `scale`, a step is a millimetre in a picture of whole numbers, and a metre in floats;
    arrays of whole numbers need a `scale`. `max` is the far end of the pictures' colours, in metres.
    """

    remark: ClassVar[str] = "scale: metres a step of the files; max: the far end of the pictures' colours, metres"
    folders: ClassVar[tuple[str, ...]] = ("depth",)
    endings: ClassVar[tuple[str, ...]] = ENDINGS
    scale: PositiveFloat | None = None
    max: PositiveFloat = 10.0

    def task(self, name: str) -> Task:
        return Depth(self.max, name=name)

    def read(self, path: Path) -> Tensor:
        stored = read_steps(path)
        if stored.dtype.kind == "f" or path.suffix.lower() in (*ARRAYS, EXR):
            metres = finite_floats(path, stored, 2, ARRAY, self.scale)
        else:
            metres = np.multiply(stored, self.scale or MILLIMETRE, dtype=np.float32)
        if metres.min() < 0:
            raise InputError(f"{path} has depth {metres.min():g} m, expected 0 (not measured) or more: mend it")
        return DepthMap(torch.from_numpy(metres)[None])

    @property
    def remedy(self) -> str:
        """What to set if distances look wrong."""
        return "set `scale` to the metres a step of the files, or `max` to the farthest distance in metres"

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """Millimetres in whole numbers, metres in floats, by the first file of each ending."""
        first = {file.suffix.lower(): file for file in reversed(files)}
        floats = {ending: read_steps(file).dtype.kind == "f" for ending, file in sorted(first.items())}
        metres = [ending for ending, is_float in floats.items() if is_float]
        steps = [ending for ending in floats if ending not in metres]
        looked = f" (looked at {len(first)} of them)" if len(first) < len(files) else ""
        if metres and steps:
            if whole := [ending for ending in steps if ending in ARRAYS]:
                raise InputError(
                    f"{first[whole[0]]} has whole numbers and {first[metres[0]]} has metres, expected one kind: "
                    "convert one of them, since they need a `scale` each"
                )
            each = f"millimetres ({', '.join(steps)}) and metres ({', '.join(metres)})"
            return {"max": 10}, f", taken to be in {each}{looked}"
        if steps:
            return {"scale": MILLIMETRE, "max": 10}, f", taken to be in millimetres{looked}"
        return {"max": 10}, f", taken to be in metres{looked}"


def read_steps(path: Path) -> NDArray[Any]:
    """The numbers in a file of distances, as they are stored; raises `InputError` for a file of another kind."""
    return read_numbers(path, ("I;16", "I", "F"), PICTURE, ARRAY)
