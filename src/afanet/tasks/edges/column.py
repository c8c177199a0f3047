"""Labels of edges: files of maps that are 255 on an edge and 0 elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from afanet.errors import InputError
from afanet.label_files import read_array, read_image
from afanet.tasks.column import FileColumn
from afanet.tasks.edges.result import MAX_DISTANCE
from afanet.tasks.edges.target import UNLABELLED, EdgeMap
from afanet.tasks.edges.task import Edges
from afanet.tasks.task import Task

ARRAYS = (".npy", ".npz")
FORMATS = ("PNG", "TIFF", "BMP")
MEANING = "map of edges (H, W)"


class EdgesColumn(FileColumn):
    """A PNG, TIFF or BMP in grey, or a `.npy` or `.npz` (H, W): 255 or 1 on an edge, 0 elsewhere.

    `void` is the value of pixels that are not labelled; in an array, -1 means the same. `max_distance` is how far a
    predicted edge may be from a true one, as a fraction of the image's diagonal: 0.0075 for PASCAL, 0.011 for NYUD.
    """

    folders: ClassVar[tuple[str, ...]] = ("edge", "edges")
    endings: ClassVar[tuple[str, ...]] = (".png", *ARRAYS)

    max_distance: Annotated[float, Field(gt=0, le=1)] = MAX_DISTANCE
    void: Annotated[int, Field(ge=1, le=255)] | None = None

    def task(self, name: str) -> Task:
        return Edges(name, self.max_distance)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() in ARRAYS:
            stored = read_array(path, MEANING, "uifb")
        else:
            stored = read_image(path, ("L", "P", "1"), MEANING, FORMATS)
        if stored.ndim != 2:
            raise InputError(f"{path} holds {stored.dtype} {stored.shape}, expected a {MEANING}: save it so")
        edges = np.full(stored.shape, -2, np.int8)
        edges[(stored == 1) | (stored == 255)] = 1
        edges[stored == 0] = 0
        if path.suffix.lower() in ARRAYS:
            edges[stored == UNLABELLED] = UNLABELLED
        if self.void is not None:
            edges[stored == self.void] = UNLABELLED
        if (wrong := edges == -2).any():
            void = f", or {self.void} (void)" if self.void is not None else ""
            raise InputError(
                f"{path} has the value {stored[wrong][0]} at {wrong.sum()} pixels, expected 255 or 1 (edge), 0 (none)"
                f"{void}: save edges as 0 and 255, or declare `void`"
            )
        return EdgeMap(torch.from_numpy(edges)[None])

    @property
    def remedy(self) -> str:
        """What to check if edges look wrong."""
        return "check that the files are 255 on an edge and 0 elsewhere"
