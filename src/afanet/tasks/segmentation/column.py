"""Labels of segmentation: files of class ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torchvision import tv_tensors

from afanet.errors import InputError
from afanet.label_files import read_image
from afanet.tasks.column import FileColumn, Names, Swap
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.task import Task

VOID = 255  # in targets


class SegmentationColumn(FileColumn):
    """A PNG of class ids: grey, or with a palette, of which the indices count.

    The ids count the classes in order from 0 and pass over `void`: with 255 the first class has id 0, with 0 it has 1.
    """

    example: ClassVar[Mapping[str, Any]] = {"classes": ["floor", "wall", "bed"]}

    remark: ClassVar[str] = "give the classes their names; void: the id of pixels without a class"
    folders: ClassVar[tuple[str, ...]] = ("segmentation", "labels", "masks")
    classes: Names
    void: int = Field(VOID, ge=0, le=255)
    swap: Swap = Field({})

    @cached_property
    def table(self) -> NDArray[np.int16]:
        """The class of each id, -1 where there is none."""
        table = np.full(256, -1, np.int16)
        ids = [number for number in range(256) if number != self.void][: len(self.classes)]
        table[ids] = range(len(ids))
        table[self.void] = VOID
        return table

    def task(self, name: str) -> Task:
        if len(self.classes) > VOID:
            raise InputError(f"task '{name}' has {len(self.classes)} classes, expected at most {VOID}: ids are bytes")
        return Segmentation(self.classes, void=VOID, name=name)

    def read(self, path: Path) -> Tensor:
        ids = read_image(path, ("L", "P"), "map of class ids")
        classes = self.table[ids]
        if (classes < 0).any():
            raise InputError(
                f"{path} has the id {ids[classes < 0].max()}, expected those of {len(self.classes)} classes from "
                f"{int(self.void == 0)} on, and {self.void} where there is none: declare all classes, or mend the file"
            )
        mask: Tensor = tv_tensors.Mask(torch.from_numpy(classes.astype(np.uint8)))
        return mask

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """A class for each id up to the largest that occurs."""
        seen = np.zeros(256, bool)
        for file in files:
            seen[read_image(file, ("L", "P"), "map of class ids")] = True
        ids = [int(number) for number in np.flatnonzero(seen) if number != VOID]
        if len(ids) < 2:
            raise InputError(
                f"{files[0].parent} has only the id {ids[0] if ids else 'none'} beside {VOID}, which means void, "
                "expected two classes at least: number them 0, 1, ..."
            )
        listed = ", ".join(map(str, ids)) if len(ids) <= 20 else f"{ids[0]} to {ids[-1]}"
        classes = [f"class_{number}" for number in range(ids[-1] + 1)]
        return {"classes": classes, "void": VOID}, f" with ids {listed}"
