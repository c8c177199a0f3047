"""Labels of segmentation: files of class ids, or of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import AliasChoices, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from torch import Tensor
from torchvision import tv_tensors

from afanet.errors import InputError
from afanet.label_files import palette_colours
from afanet.tasks.column import FileColumn, Name, Names, Swap
from afanet.tasks.segmentation.declared import Colour, Colours, Id, Ids, require_apart
from afanet.tasks.segmentation.guess import guess
from afanet.tasks.segmentation.lookup import Lookup
from afanet.tasks.segmentation.mask import ARRAYS, PICTURES, count, in_words, read_ids, read_mask
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.segmentation.values import keys_of, listed, read_void, void_of
from afanet.tasks.task import Task

MOST_CLASSES = 65_535


class SegmentationColumn(FileColumn):
    """A map of class ids, or of colours, for each image: a PNG, TIFF or BMP, or a `.npy` or `.npz` of numbers.

    The ids number the classes in order from 0 and skip `void`: with 255 the first class has id 0, with 0 it has 1. With
    `ids`, such as `{0: background, 255: object}` or `{background: 0, object: [1, 255]}`, each id means the class it
    names. In files with a palette, the indices are the ids. `void` is an id that means no class, a list of such ids, or
    `None` for none; by default it is 255, or 65535 for more than 255 classes, unless that is in `ids`.

    With a mapping `colours`, such as `{road: [128, 64, 128], ...}`, the files are masks of these colours. A class may
    have several colours, and `void` is a colour or a list of colours; by default there is none. A list `colours` has
    one colour for each class, in which results are drawn; without it, results have the colours of the files.
    """

    example: ClassVar[Mapping[str, Any]] = {"classes": ["floor", "wall", "bed"]}

    remark: ClassVar[str] = "give the classes their names; void: the id, or colour, of pixels without a class"
    folders: ClassVar[tuple[str, ...]] = ("segmentation", "labels", "masks")
    endings: ClassVar[tuple[str, ...]] = (*PICTURES, *ARRAYS)
    of: ClassVar[type[Segmentation]] = Segmentation
    ids: Ids | None = None
    classes: Names = Field(None, validate_default=True)
    coded: dict[Name, Colours] | None = Field(None, validation_alias=AliasChoices("colours"))  # if it is a mapping
    colours: tuple[Colour, ...] | None = None
    void: tuple[Id, ...] = ()
    swap: Swap = Field({})

    @model_validator(mode="before")
    @classmethod
    def _of_colours(cls, keys: Any) -> Any:
        """Without `classes`, those that a mapping `colours` names, in their order."""
        if isinstance(keys, Mapping) and isinstance(keys.get("colours"), Mapping) and keys.get("classes") is None:
            return {**keys, "classes": list(keys["colours"])}
        return keys

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

    @field_validator("coded", mode="before")
    @classmethod
    def _mapping(cls, colours: Any, keys: ValidationInfo) -> Any:
        if isinstance(colours, Mapping) and keys.data.get("ids"):
            raise ValueError("which means masks of colours, beside 'ids': give one of them, or a list to draw results")
        return colours if isinstance(colours, Mapping) else None

    @field_validator("coded")
    @classmethod
    def _one_class_each(cls, coded: Any, keys: ValidationInfo) -> Any:
        classes = keys.data.get("classes", ())
        if coded is None or not classes:
            return coded
        if bare := [name for name in classes if name not in coded]:
            raise ValueError(f"which lacks a colour of '{bare[0]}', a class of 'classes'")
        if strange := [name for name in coded if name not in classes]:
            raise ValueError(f"which has '{strange[0]}', expected a class of 'classes'")
        require_apart(coded)
        return coded

    @field_validator("colours", mode="before")
    @classmethod
    def _list(cls, colours: Any) -> Any:
        return None if isinstance(colours, Mapping) else colours

    @field_validator("colours")
    @classmethod
    def _of_each_class(cls, colours: Any, info: ValidationInfo) -> Any:
        classes = info.data.get("classes", ())
        if colours is not None and classes and len(colours) != len(classes):
            raise ValueError(f"expected a colour for each of the {len(classes)} classes, and there are {len(colours)}")
        return colours

    @field_validator("void", mode="before")
    @classmethod
    def _of_mode(cls, void: Any, keys: ValidationInfo) -> Any:
        return read_void(void, coloured=bool(keys.data.get("coded")))

    @field_validator("void")
    @classmethod
    def _no_class(cls, void: tuple[int, ...], keys: ValidationInfo) -> tuple[int, ...]:
        coded: Mapping[str, Any] = keys.data.get("coded") or {}
        if any(number in (keys.data.get("ids") or {}) for number in void):
            raise ValueError("which is the id of a class in 'ids', and cannot mean both")
        if shared := [name for name, colours in coded.items() if set(void) & set(keys_of(colours))]:
            raise ValueError(f"which is a colour of '{shared[0]}', and cannot mean both")
        return void

    @property
    def voids(self) -> tuple[int, ...]:
        """The values in files that mean no class; in masks of colours, the numbers of colours."""
        usual = void_of(len(self.classes))
        if "void" in self.model_fields_set:
            return self.void
        return () if self.coded or usual in (self.ids or {}) else (usual,)

    @property
    def class_ids(self) -> list[int]:
        """The id of each class, the first if it has several."""
        if self.ids is None:
            most = len(self.classes) + len(self.voids)
            return [number for number in range(most) if number not in self.voids][: len(self.classes)]
        return [next((number for number, name in self.ids.items() if name == wanted), -1) for wanted in self.classes]

    @cached_property
    def lookup(self) -> Lookup:
        """The target of each value that files may have."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        if self.coded:
            values = {key: numbers[name] for name, colours in self.coded.items() for key in keys_of(colours)}
        elif self.ids:
            values = {value: numbers[name] for value, name in self.ids.items()}
        else:
            values = {value: number for number, value in enumerate(self.class_ids)}
        return Lookup(values, self.voids, len(self.classes))

    @property
    def remedy(self) -> str:
        """What to declare if pixels are void that should have a class."""
        if self.coded or not self.voids:
            return ""
        void, first, last = self.voids[0], self.classes[0], self.classes[-1]
        between = f"1: {self.classes[1]}, " if len(self.classes) == 3 else "..., " if len(self.classes) > 3 else ""
        return (
            f"id {void} means void: if it is a class in the files, declare the ids, such as "
            f"`ids: {{0: {first}, {between}{void or 255}: {last}}}`"
        )

    def task(self, name: str) -> Task:
        if len(self.classes) > MOST_CLASSES:
            raise InputError(f"task '{name}' has {len(self.classes)} classes, expected at most {MOST_CLASSES:,}")
        task = self.of(self.classes, name=name)
        drawn = [self.coded[name][0] for name in self.classes] if self.coded else self.colours
        return task.with_colours(drawn) if drawn else task

    def looked_at(self, task: Task, file: Path) -> Task:
        """The task in the colours of the file's palette, unless `colours` are declared or the palette has none."""
        colours = None if self.colours or self.coded else palette_colours(file, self.class_ids)
        return task.with_colours(colours) if colours and isinstance(task, Segmentation) else task

    def read(self, path: Path) -> Tensor:
        if self.coded:
            coloured = read_mask(path)
            codes = self.lookup.codes_of_colours(coloured)
            if not codes.all():
                raise self._not_listed(path, coloured.keys[codes == 0])
        else:
            ids = read_ids(path)
            codes = self.lookup.codes(ids)
            if not codes.all():
                raise self._not_listed(path, ids[codes == 0])
        mask: Tensor = tv_tensors.Mask(torch.from_numpy(self.lookup.target(codes)))
        return mask

    def _not_listed(self, path: Path, values: Any) -> InputError:
        coloured = self.coded is not None
        has = f"{path} has {in_words(count(values), coloured)}"
        none = f", and {listed(self.voids, coloured)} where there is none" if self.voids else ""
        if coloured:
            remedy = "declare the colours of all classes, or save masks that were neither resized nor compressed"
            return InputError(f"{has}, expected those of {len(self.classes)} classes{none}: {remedy}")
        first = next(number for number in range(len(self.voids) + 1) if number not in self.voids)
        expected = listed(list(self.ids)) if self.ids else f"those of {len(self.classes)} classes from {first} on"
        return InputError(f"{has}, expected {expected}{none}: declare all classes, or mend the file")

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """The classes in a sample of the files, see `guess`."""
        return guess(files)
