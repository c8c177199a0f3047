"""Labels of multi-label segmentation: files of masks, one for each label, or all in an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks.column import Bools, FileColumn, Name, Swap, distinct, usable_paths
from afanet.tasks.multi_label_segmentation.target import LabelMasks
from afanet.tasks.multi_label_segmentation.task import UNLABELLED, MultiLabelSegmentation
from afanet.tasks.on_off import ARRAYS, read_on_off
from afanet.tasks.task import Task

LABEL = "{label}"  # the place of each label's name in a cell
MEANING = "mask of a label"


def _in_paths(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name in (".", "..") or any(sign in name for sign in "/\\\0\r\n"):
            raise ValueError(f"in which '{name}' cannot be a part of a file's name")
    return names


class MultiLabelSegmentationColumn(FileColumn):
    """A mask for each label: files whose path has `{label}` for the label's name, or one array of all.

    Files of masks are PNG, TIFF, BMP, `.npy` or `.npz`; an array of all is a `.npy` or `.npz` (L, H, W), in the order
    of the labels. Masks are 0 where the label is off and 1 or 255 where it is on; `void` means neither. If the file of
    a label is missing, the label is unknown in the whole image. In an array, -1 means unknown.
    """

    example: ClassVar[Mapping[str, Any]] = {"labels": ["road", "wet"]}

    labels: Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(distinct), AfterValidator(_in_paths)]
    void: Annotated[int, Field(ge=1, le=255)] | None = None
    swap: Swap = Field({})

    def task(self, name: str) -> Task:
        return MultiLabelSegmentation(self.labels, name)

    def encode(self, cells: pa.Array) -> tuple[pa.Array, Bools]:
        """The paths, with `{label}` in them or of arrays, and which of them can be used."""
        array = pc.match_substring_regex(cells, rf"(?i)({'|'.join(ARRAYS)})$".replace(".", r"\."))
        masks = pc.or_(pc.match_substring(cells, LABEL), array).to_numpy(zero_copy_only=False)
        return cells, usable_paths(cells) & masks

    def complain(self, name: str, cell: str) -> str:
        if usable_paths(pa.array([cell]))[0]:
            return (
                f"{name} is '{cell}', expected the path of masks, with {LABEL} for the name of each label, such as "
                f"'masks/001_{LABEL}.png', or of an array {' or '.join(ARRAYS)}"
            )
        return super().complain(name, cell)

    def files(self, path: Path) -> Sequence[Path]:
        """An array of all masks."""
        return () if LABEL in str(path) else (path,)

    def optional_files(self, path: Path) -> Sequence[Path]:
        """The mask of each label."""
        return [Path(str(path).replace(LABEL, label)) for label in self.labels] if LABEL in str(path) else ()

    def read(self, path: Path) -> Tensor:
        if LABEL not in str(path):
            masks = read_on_off(path, f"array of masks ({len(self.labels)}, H, W)", self.void)
            if masks.ndim != 3 or len(masks) != len(self.labels):
                raise InputError(
                    f"{path} has the shape {masks.shape}, expected ({len(self.labels)}, H, W): a mask for each label"
                )
            return LabelMasks(torch.from_numpy(masks))
        files = dict(zip(self.labels, self.optional_files(path), strict=True))
        known = {label: read_on_off(file, MEANING, self.void) for label, file in files.items() if file.exists()}
        if not known:
            raise InputError(f"{path} names no file that exists, expected one for some of: {', '.join(self.labels)}")
        (first, mask), *others = known.items()
        for label, other in others:
            if other.shape != mask.shape:
                raise InputError(
                    f"{files[label]} is {other.shape[0]}x{other.shape[1]} pixels, expected {mask.shape[0]}x"
                    f"{mask.shape[1]} as {files[first].name}"
                )
        none = np.full(mask.shape, UNLABELLED, np.int8)
        return LabelMasks(torch.from_numpy(np.stack([known.get(label, none) for label in self.labels])))
