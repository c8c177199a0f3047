"""COCO: categories become the classes of masks or, if there are only boxes, the labels of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats.collected import Collected
from afanet.data.intake.formats.images import ABSENT, Images, split_of
from afanet.data.intake.formats.json_stream import json_items
from afanet.data.intake.formats.shapes import BY_COLUMN, ShapeError, check_runs, read_ring, runs_of_text
from afanet.data.intake.formats.summary import summarise
from afanet.errors import InputError
from afanet.limits import MOST_PIXELS
from afanet.photo import photo_size

CROWD, STUFF = -1, -2  # layers below the things
NO_ATTRIBUTES = frozenset(
    ["id", "width", "height", "file_name", "license", "coco_url", "flickr_url", "date_captured", "url", "extra", "path"]
)
OTHER_KINDS = {"segments_info": "panoptic segments", "caption": "captions"}


def read_coco(files: Sequence[Path], folder: Path, images: Images) -> Contents:
    """The contents of COCO files and of the images below `folder` that they list.

    A file belongs to a split if its name or a folder above it says so. Raises `InputError` for files that cannot be
    used.
    """
    collected = Collected()
    usable = _usable(files, folder, collected)
    categories: dict[str, None] = {}
    for number, file in enumerate(usable):
        reader = _Reader(number, file, folder, images, collected)
        categories |= dict.fromkeys(reader.read())
    source = ", ".join(file.relative_to(folder).as_posix() for file in usable)
    return summarise(collected, folder, source, list(categories))


def _usable(files: Sequence[Path], folder: Path, collected: Collected) -> list[Path]:
    """The files with masks or boxes; of a data set's usual files, only those of instances and of stuff."""
    usable, others = [], {}
    for file in files:
        with closing(json_items(file, "annotations.item")) as items:
            first = next(items, None)
        keys = first if isinstance(first, dict) else {}
        other = next((what for key, what in OTHER_KINDS.items() if key in keys and "segmentation" not in keys), None)
        if other:
            others[file.relative_to(folder).as_posix()] = other
        else:
            usable.append(file)
    if not usable:
        name, what = next(iter(others.items()))
        raise InputError(f"{folder / name} holds {what}, which are not supported, expected instances or stuff")
    if any(file.name.startswith("instances") for file in usable):
        extra = [file for file in usable if file.name.startswith("person_keypoints")]
        others |= {file.relative_to(folder).as_posix(): "the persons of the instances again" for file in extra}
        usable = [file for file in usable if file not in extra]
    for name, what in others.items():
        collected.notes.add("files of another kind are left out", f"{name}, {what}")
    return usable


class _Reader:
    """Reads one file."""

    def __init__(self, number: int, file: Path, folder: Path, images: Images, collected: Collected) -> None:
        self.number, self.file, self.folder, self.images, self.collected = number, file, folder, images, collected
        self.faults, self.notes = collected.faults, collected.notes
        name = file.relative_to(folder).as_posix()
        self.near, self.split = name.rpartition("/")[0], split_of(name)
        self.layer = STUFF if file.name.startswith("stuff") else 0
        self.names: dict[str, str] = {}  # of categories, by id

    def read(self) -> list[str]:
        """Collect the content of the file; returns its categories in the order of their ids."""
        self._read_categories()
        for image in self._items("images"):
            self._read_image(image)
        used: set[str] = set()
        annotated = False
        for annotation in self._items("annotations"):
            annotated = True
            used.add(self._read_annotation(annotation))
        if annotated:
            self.collected.set_labelled(file=self.number)
        self.collected.end_file(self.file)
        return [name for name in self._ordered() if name in used or not self._is_parent(name)]

    def _items(self, key: str) -> Iterator[Mapping[str, Any]]:
        for item in json_items(self.file, f"{key}.item"):
            if isinstance(item, dict):
                yield item
            else:
                self.faults.add(f"entries of '{key}' that are not objects", item)

    def _read_categories(self) -> None:
        self.parents: dict[str, str] = {}
        for category in self._items("categories"):
            key, name = _key(category.get("id")), category.get("name")
            name = str(name).strip() if isinstance(name, str | int) else ""
            if key is None or not name:
                self.faults.add("categories without 'id' or 'name'", category)
            elif key in self.names:
                self.faults.add("categories whose id occurs twice", key)
            elif name in self.names.values():
                self.faults.add("categories whose name occurs twice", name)
            else:
                self.names[key] = name
                self.parents[name] = str(category.get("supercategory", ""))

    def _ordered(self) -> list[str]:
        order = sorted(self.names, key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key))
        return [self.names[key] for key in order]

    def _is_parent(self, name: str) -> bool:
        """Whether an unused category is only a group of other categories, as in exports of Roboflow."""
        is_parent = self.parents[name] == "none" and len(self.names) > 1
        if is_parent:
            self.notes.add("categories of no annotation that are the groups of others are left out", name)
        return is_parent

    def _read_image(self, image: Mapping[str, Any]) -> None:
        key, name = _key(image.get("id")), image.get("file_name")
        if key is None or not isinstance(name, str) or not name:
            self.faults.add("images without 'id' or 'file_name'", dict(image))
            return
        path, why = self.images.locate(name, self.near, self.split)
        number = None
        if path is None and why == ABSENT:
            self.notes.add(why, name)
        elif path is None:
            self.faults.add(why, name)
        elif size := self._size(image, path):
            number = self.collected.add_image(path, size, self.split, self.number)
        if not self.collected.add_key(self.number, key, number):
            self.faults.add("images whose id occurs twice", key)
        elif number is not None:
            self._read_attributes(number, image)

    def _size(self, image: Mapping[str, Any], path: str) -> tuple[int, int] | None:
        """The stated height and width of an image, or its real size if none is stated."""
        height, width = image.get("height"), image.get("width")
        if height is None and width is None:
            return photo_size(self.folder / path)
        if not (isinstance(height, int) and isinstance(width, int) and height > 0 < width):
            self.faults.add("images whose 'height' or 'width' is not a whole number above 0", path)
        elif height * width > MOST_PIXELS:
            self.faults.add(f"images of more than {MOST_PIXELS:,} pixels", f"{path}, {height}x{width}")
        else:
            return height, width
        return None

    def _read_attributes(self, number: int, image: Mapping[str, Any]) -> None:
        inside = image.get("attributes")
        values = {key: value for key, value in image.items() if key not in NO_ATTRIBUTES and key != "attributes"}
        for key, value in (values | (inside if isinstance(inside, dict) else {})).items():
            if isinstance(value, str | int | float):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                self.collected.add_value(number, key[:100], text[:1000])

    def _read_annotation(self, annotation: Mapping[str, Any]) -> str:
        """Collect one annotation; returns the name of its category."""
        which = annotation.get("id")
        key, category = _key(annotation.get("image_id")), _key(annotation.get("category_id"))
        if key is None or category is None:
            self.faults.add("annotations without 'image_id' or 'category_id'", which)
            return ""
        row = self.collected.find(self.number, key)
        if row is None:
            self.faults.add("annotations name images that are not listed", key)
        if category not in self.names:
            self.faults.add("annotations name categories that are not listed", category)
        image, height, width = row or (None, 0, 0)
        if image is None or category not in self.names:
            return self.names.get(category, "")
        label = self.collected.label(self.names[category])
        layer = CROWD if annotation.get("iscrowd") and not self.layer else self.layer
        try:
            self._read_shape(annotation, image, (height, width), label, layer)
        except ShapeError as error:
            self.collected.shape_fault(error, f"annotation {which}")
        return self.names[category]

    def _read_shape(
        self, annotation: Mapping[str, Any], image: int, size: tuple[int, int], label: int, layer: int
    ) -> None:
        shape = annotation.get("segmentation")
        if isinstance(shape, dict):
            stated, counts = shape.get("size"), shape.get("counts")
            if stated != list(size):
                raise ShapeError("masks in run lengths of another size than their image")
            runs = check_runs(runs_of_text(counts) if isinstance(counts, str) else counts, size[0] * size[1])
            self.collected.add_runs(image, label, runs, (0, 0, *size), BY_COLUMN, layer)
        elif isinstance(shape, list) and shape:
            rings = shape if isinstance(shape[0], list) else [shape]
            self.collected.add_rings(image, size, label, [read_ring(ring) for ring in rings], layer)
        elif shape not in (None, []):
            raise ShapeError("'segmentation' that is neither a list nor run lengths")
        elif annotation.get("bbox"):
            self.collected.add_box(image, label)
        else:
            self.notes.add("annotations without 'segmentation' and 'bbox' are left out", annotation.get("id"))


def _key(value: Any) -> str | None:
    """An id as text, whether it is a number or text in the file."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
