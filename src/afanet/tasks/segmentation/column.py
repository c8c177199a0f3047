"""Labels of segmentation: files of class ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor
from torchvision import tv_tensors

from afanet.errors import InputError
from afanet.label_files import palette_colours, read_image
from afanet.tasks.column import FileColumn, Name, Names, Swap
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.task import Task

VOID = 255  # in targets
MOST_SHADES = 16  # of grey in a mask that was drawn
Id = Annotated[int, Field(ge=0, le=255)]


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("which YAML reads as true or false: give ids as numbers")
    return value


Ids = Annotated[dict[Annotated[Id, BeforeValidator(_number)], Name], Field(min_length=2)]


def _red_green_blue(value: Any) -> Any:
    """Three numbers for a colour such as "#ff8000"; anything else as it is."""
    return (
        list(bytes.fromhex(value[1:])) if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) else value
    )


Byte = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[tuple[Byte, Byte, Byte], BeforeValidator(_red_green_blue)]


class SegmentationColumn(FileColumn):
    """A PNG of class ids: grey, or with a palette, of which the indices count.

    The ids count the classes in order from 0 and pass over `void`: with 255 the first class has id 0, with 0 it has 1.
    With `ids`, such as `{0: background, 255: object}`, each id means the class it names, and only `void` is none.
    Results are drawn in `colours`, one for each class, or in those of the files' palette.
    """

    example: ClassVar[Mapping[str, Any]] = {"classes": ["floor", "wall", "bed"]}

    remark: ClassVar[str] = "give the classes their names; void: the id of pixels without a class"
    folders: ClassVar[tuple[str, ...]] = ("segmentation", "labels", "masks")
    ids: Ids | None = None
    classes: Names = Field(None, validate_default=True)
    void: Id = VOID
    colours: tuple[Colour, ...] | None = None
    swap: Swap = Field({})

    @field_validator("classes", mode="before")
    @classmethod
    def _of_ids(cls, classes: Any, keys: ValidationInfo) -> Any:
        """Without `classes`, those that `ids` name, in their order."""
        if classes is None and keys.data.get("ids"):
            return list(dict.fromkeys(keys.data["ids"].values()))
        if classes is None and "ids" in keys.data:
            raise PydanticCustomError("missing", "which is required")
        return classes

    @field_validator("classes")
    @classmethod
    def _all_named(cls, classes: tuple[str, ...], keys: ValidationInfo) -> tuple[str, ...]:
        if strange := [name for name in (keys.data.get("ids") or {}).values() if name not in classes]:
            raise ValueError(f"which lacks '{strange[0]}', a class of 'ids'")
        return classes

    @field_validator("void")
    @classmethod
    def _no_class(cls, void: int, keys: ValidationInfo) -> int:
        if void in (keys.data.get("ids") or {}):
            raise ValueError("which is the id of a class in 'ids', and cannot mean both")
        return void

    @field_validator("colours")
    @classmethod
    def _of_each_class(cls, colours: Any, info: ValidationInfo) -> Any:
        classes = info.data.get("classes", ())
        if colours is not None and classes and len(colours) != len(classes):
            raise ValueError(f"expected a colour for each of the {len(classes)} classes, and there are {len(colours)}")
        return colours

    @property
    def class_ids(self) -> list[int]:
        """An id of each class, the first where it has several."""
        if self.ids is None:
            return [number for number in range(256) if number != self.void][: len(self.classes)]
        return [next((number for number, name in self.ids.items() if name == wanted), 256) for wanted in self.classes]

    @cached_property
    def table(self) -> NDArray[np.int16]:
        """The class of each id, -1 where there is none."""
        table = np.full(256, -1, np.int16)
        table[self.void] = VOID
        if self.ids:
            table[list(self.ids)] = [self.classes.index(name) for name in self.ids.values()]
        else:
            table[self.class_ids] = range(len(self.class_ids))
        return table

    @property
    def remedy(self) -> str:
        """What to declare where pixels are void that should have a class."""
        if self.void in (self.ids or {}):
            return ""
        first, last = self.classes[0], self.classes[-1]
        between = f"1: {self.classes[1]}, " if len(self.classes) == 3 else "..., " if len(self.classes) > 3 else ""
        return (
            f"id {self.void} means void: if it is a class in the files, declare the ids, such as "
            f"`ids: {{0: {first}, {between}{self.void or 255}: {last}}}`"
        )

    def task(self, name: str) -> Task:
        if len(self.classes) > VOID:
            raise InputError(f"task '{name}' has {len(self.classes)} classes, expected at most {VOID}: ids are bytes")
        task = Segmentation(self.classes, void=VOID, name=name)
        return task.with_colours(self.colours) if self.colours else task

    def looked_at(self, task: Task, file: Path) -> Task:
        """The task in the colours of the file's palette, unless `colours` are declared or the palette has none."""
        colours = None if self.colours else palette_colours(file, self.class_ids)
        return task.with_colours(colours) if colours and isinstance(task, Segmentation) else task

    def read(self, path: Path) -> Tensor:
        ids = read_image(path, ("L", "P"), "map of class ids")
        classes = self.table[ids]
        if (classes < 0).any():
            first = int(self.void == 0)
            expected = f"those of {len(self.classes)} classes from {first} on" if not self.ids else _listed(self.ids)
            none = f", and {self.void} where there is none" if self.void not in (self.ids or {}) else ""
            raise InputError(
                f"{path} has the id {ids[classes < 0].max()}, expected {expected}{none}: declare all classes, "
                "or mend the file"
            )
        mask: Tensor = tv_tensors.Mask(torch.from_numpy(classes.astype(np.uint8)))
        return mask

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """A class for each id up to the largest that occurs."""
        seen = np.zeros(256, bool)
        for file in files:
            seen[read_image(file, ("L", "P"), "map of class ids")] = True
        present = np.flatnonzero(seen).tolist()
        if _are_shades(present):
            names = ["background", "object"] if len(present) == 2 else [f"class_{number}" for number in present]
            remark = f" with the greys {_listed(present)}, taken to be {len(present)} classes, none of them void"
            return {"ids": dict(zip(present, names, strict=True))}, remark
        ids = [number for number in present if number != VOID]
        if len(ids) < 2:
            raise InputError(
                f"{files[0].parent} has only the id {ids[0] if ids else 'none'} beside {VOID}, which means void, "
                "expected two classes at least: number them 0, 1, ..."
            )
        classes = [f"class_{number}" for number in range(ids[-1] + 1)]
        return {"classes": classes, "void": VOID}, f" with ids {_listed(ids)}"


def _are_shades(ids: Sequence[int]) -> bool:
    """Whether these are evenly spaced greys from black to white, as in drawn masks: 0, 255 or 0, 128, 255."""
    even = np.linspace(0, 255, len(ids))
    return 2 <= len(ids) <= MOST_SHADES and bool((abs(np.array(ids) - even) <= 1).all())


def _listed(ids: Iterable[int]) -> str:
    numbers = list(ids)
    return ", ".join(map(str, numbers)) if len(numbers) <= 20 else f"{numbers[0]} to {numbers[-1]}"
