"""Kinds of task with a value for every pixel, which stand in files that the manifest names."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from torch import Tensor
from torchvision import tv_tensors

from afanet import tasks
from afanet.data.declared import Declared
from afanet.data.files import read_array, read_image
from afanet.data.sets.manifest.values import Names
from afanet.data.transforms import DepthMap, NormalMap
from afanet.errors import InputError

LEAVING = r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[\r\n\x00]"  # absolute, or up, or no path at all
VOID = 255  # in targets


def usable_paths(cells: pa.Array) -> NDArray[np.bool_]:
    """Which cells are paths that stay below the data's root; symbolic links are the owner's own affair.

    >>> usable_paths(pa.array(["a/b.jpg", "/etc/x.jpg", "../b.jpg", "a/../b.jpg", "C:x.jpg", "..a.jpg"])).tolist()
    [True, False, False, False, False, True]
    """
    leaving = pc.match_substring_regex(cells, LEAVING)
    usable: NDArray[np.bool_] = pc.invert(leaving).to_numpy(zero_copy_only=False)
    return usable


def complain_of_path(name: str, cell: str) -> str:
    """What is wrong with a path that is not usable."""
    return f"{name} is '{cell}', expected a path inside the data folder, relative to it and without '..'"


class MapKind(Declared):
    """A task whose column holds the paths of files."""

    @abstractmethod
    def task(self, name: str) -> tasks.Task:
        """The task itself."""

    @abstractmethod
    def read(self, path: Path) -> Tensor:
        """The map in a file; raises `InputError` that names it where it cannot be used."""

    def encode(self, cells: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        """The paths themselves, and which of them can be used."""
        return cells, usable_paths(cells)

    def complain(self, name: str, cell: str) -> str:
        """What is wrong with a cell that cannot be used."""
        return complain_of_path(name, cell)


class SegmentationKind(MapKind):
    """A PNG of class ids: grey, or with a palette, of which the indices count.

    The ids count the classes in order from 0 and pass over `void`: with 255 the first class has id 0, with 0 it has 1.
    """

    classes: Names
    void: int = Field(VOID, ge=0, le=255)

    @cached_property
    def table(self) -> NDArray[np.int16]:
        """The class of each id, -1 where there is none."""
        table = np.full(256, -1, np.int16)
        ids = [number for number in range(256) if number != self.void][: len(self.classes)]
        table[ids] = range(len(ids))
        table[self.void] = VOID
        return table

    def task(self, name: str) -> tasks.Task:
        if len(self.classes) > VOID:
            raise InputError(f"task '{name}' has {len(self.classes)} classes, expected at most {VOID}: ids are bytes")
        return tasks.Segmentation(self.classes, void=VOID, name=name)

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


class DepthKind(MapKind):
    """A 16-bit PNG, `scale` metres a step, or a `.npy` of metres (H, W); 0 is not measured.

    `max` is the far end of the pictures' colours, in metres.
    """

    scale: PositiveFloat = 0.001
    max: PositiveFloat = 10.0

    def task(self, name: str) -> tasks.Task:
        return tasks.Depth(self.max, name=name)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() == ".npy":
            metres = _read_floats(path, 2, "depth map in metres (H, W)")
            if (metres < 0).any():
                raise InputError(f"{path} has depth {metres.min():g} m, expected 0 (not measured) or more: mend it")
        else:
            steps = read_image(path, ("I;16",), "depth map of 16 bits a pixel")
            metres = np.multiply(steps, self.scale, dtype=np.float32)
        return DepthMap(torch.from_numpy(metres)[None])


class NormalsKind(MapKind):
    """A `.npy` (H, W, 3), or a PNG of 8-bit RGB that stands for value / 127.5 - 1: unit vectors, x to the right.

    What is not known is 0, 0, 0 in a `.npy`, black or mid-grey in a PNG.
    """

    def task(self, name: str) -> tasks.Task:
        return tasks.Normals(name=name)

    def read(self, path: Path) -> Tensor:
        if path.suffix.lower() == ".npy":
            vectors = _read_floats(path, 3, "map of unit vectors (H, W, 3)")
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


def _read_floats(path: Path, axes: int, meaning: str) -> NDArray[np.float32]:
    """A `.npy` file of finite floats."""
    found = read_array(path, meaning)
    if found.dtype.kind != "f" or found.ndim != axes or found.shape[2:] not in ((), (3,)):
        raise InputError(f"{path} holds {found.dtype} {found.shape}, expected floats, a {meaning}")
    with np.errstate(over="ignore"):
        array: NDArray[np.float32] = found.astype(np.float32)
    if not np.isfinite(array).all():
        raise InputError(f"{path} has a value that is infinite or no number, expected a {meaning}, 0 for none: mend it")
    return array
