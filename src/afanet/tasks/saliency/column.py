"""Labels of saliency: files of masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks.column import FileColumn
from afanet.tasks.multi_label_segmentation.target import LabelMasks
from afanet.tasks.on_off import ARRAYS, read_on_off
from afanet.tasks.saliency.task import Saliency
from afanet.tasks.task import Task

MEANING = "mask (H, W) of what is salient"
REMEDY = "a probability is no label, so save 255 where it is above one half and 0 elsewhere; or declare `void`"


class SaliencyColumn(FileColumn):
    """A mask of what is salient: a PNG, TIFF or BMP, or a `.npy` or `.npz` (H, W), of 0 and of 1 or 255.

    `void` means neither, and so does -1 in an array.
    """

    remark: ClassVar[str] = "0 where nothing is salient, 255 where something is; void: a value that means neither"
    folders: ClassVar[tuple[str, ...]] = ("saliency", "sal")
    endings: ClassVar[tuple[str, ...]] = (".png", ".tif", ".tiff", ".bmp", *ARRAYS)
    example: ClassVar[Mapping[str, Any]] = {}

    void: Annotated[int, Field(ge=2, le=254)] | None = None

    def task(self, name: str) -> Task:
        return Saliency(name)

    def read(self, path: Path) -> Tensor:
        mask = read_on_off(path, MEANING, self.void, REMEDY)
        if mask.ndim != 2:
            raise InputError(f"{path} has the shape {mask.shape}, expected (H, W), a {MEANING}")
        return LabelMasks(torch.from_numpy(mask[None]))
