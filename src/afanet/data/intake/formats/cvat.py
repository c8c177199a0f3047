"""CVAT for images 1.1: labels become the classes of masks, tags and their attributes tasks of their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats.collected import Collected
from afanet.data.intake.formats.images import ABSENT, Images, split_of
from afanet.data.intake.formats.shapes import BY_ROW, ShapeError, check_runs, read_ring
from afanet.data.intake.formats.summary import summarise
from afanet.data.intake.formats.xml_stream import xml_elements
from afanet.errors import InputError
from afanet.limits import MOST_PIXELS

SHAPES = ("polygon", "mask", "box")
IGNORED = ("polyline", "points", "ellipse", "cuboid", "skeleton")
TAG = "tag"
UNTOUCHED = "images without a shape get no label by shapes, since nobody may have looked at them"


def read_cvat(files: Sequence[Path], folder: Path, images: Images) -> Contents:
    """The contents of files in the format CVAT for images 1.1, and of the images below `folder` that they list.

    Subsets are splits. Raises `InputError` for files that cannot be used.
    """
    collected = Collected()
    labels: dict[str, None] = {}
    for number, file in enumerate(files):
        labels |= dict.fromkeys(_Reader(number, file, folder, images, collected).read())
    source = ", ".join(file.relative_to(folder).as_posix() for file in files)
    return summarise(collected, folder, source, list(labels))


class _Reader:
    """Reads one file."""

    def __init__(self, number: int, file: Path, folder: Path, images: Images, collected: Collected) -> None:
        self.number, self.file, self.folder, self.images, self.collected = number, file, folder, images, collected
        self.near = file.relative_to(folder).as_posix().rpartition("/")[0]
        self.labels: dict[str, None] = {}  # of shapes
        self.shaped: set[str] = set()
        self.tagged: set[str] = set()
        self.attributes: Counter[str] = Counter()

    def read(self) -> list[str]:
        """Collect the content of the file; returns its labels in order, without labels that only tags use."""
        for element in xml_elements(self.file, "annotations", ("label", "image", "track")):
            if element.tag == "track":
                raise InputError(f"{self.file} is of CVAT for video, expected the export 'CVAT for images 1.1'")
            if element.tag == "label":
                self._read_label(element)
            else:
                self._read_image(element)
        self.collected.end_file(self.file)
        return [label for label in self.labels if label in self.shaped or label not in self.tagged]

    def _read_label(self, element: Element) -> None:
        name = (element.findtext("name") or "").strip()
        if not name or element.find("parent") is not None:  # the points of a skeleton have a parent
            return
        if element.findtext("type") not in (*IGNORED, TAG):
            self.labels[name] = None
        self.attributes.update((attribute.findtext("name") or "").strip() for attribute in element.iter("attribute"))
        if match := re.fullmatch("#([0-9a-fA-F]{6})", (element.findtext("color") or "").strip()):
            red, green, blue = bytes.fromhex(match[1])
            self.collected.colours[name] = (red, green, blue)

    def _read_image(self, element: Element) -> None:
        name, subset = element.get("name", ""), element.get("subset", "")
        split = split_of(subset) or split_of(self.file.relative_to(self.folder).as_posix())
        if subset.lower() not in ("", "default") and not split_of(subset):
            self.collected.notes.add("images in a subset that is not a split", subset)
        path, why = self.images.locate(name, self.near, split)
        size = _whole(element.get("height")), _whole(element.get("width"))
        if not name:
            self.collected.faults.add("images without 'name'", element.get("id"))
        elif path is None:
            (self.collected.notes if why == ABSENT else self.collected.faults).add(why, name)
        elif min(size) < 1 or size[0] * size[1] > MOST_PIXELS:
            wrong = f"images whose 'height' or 'width' is not a whole number, or of more than {MOST_PIXELS:,} pixels"
            self.collected.faults.add(wrong, name)
        elif (image := self.collected.add_image(path, size, split, self.number)) is not None:
            self._read_shapes(element, image, size)
            self._read_tags(element, image)

    def _read_shapes(self, element: Element, image: int, size: tuple[int, int]) -> None:
        shapes = [shape for shape in element if shape.tag in SHAPES]
        for shape in shapes:
            label = shape.get("label", "").strip()
            if not label:
                self.collected.faults.add("shapes without 'label'", element.get("name"))
                continue
            self.labels.setdefault(label)
            self.shaped.add(label)
            try:
                self._read_shape(shape, image, size, self.collected.label(label))
            except ShapeError as error:
                self.collected.shape_fault(error, f"one of '{label}' in {element.get('name')}")
        if shapes:
            self.collected.set_labelled(image)
        elif not any(child.tag == TAG for child in element):
            self.collected.notes.add(UNTOUCHED, element.get("name"))
        for kind in IGNORED:
            self.collected.notes.add(f"shapes of the kind {kind} are left out", count=len(element.findall(kind)))

    def _read_shape(self, shape: Element, image: int, size: tuple[int, int], label: int) -> None:
        layer = _whole(shape.get("z_order", "0"), least=-(10**9))
        if shape.tag == "box":
            self.collected.add_box(image, label)
        elif shape.tag == "polygon":
            points = re.split("[,;]", shape.get("points", ""))
            self.collected.add_rings(image, size, label, [read_ring(points)], layer)
        else:
            top, left, height, width = (_whole(shape.get(key)) for key in ("top", "left", "height", "width"))
            if min(top, left) < 0 or min(height, width) < 1 or height > size[0] or width > size[1]:
                raise ShapeError("masks without a box, or larger than their image")
            lengths = [_whole(part) for part in shape.get("rle", "").split(",")]
            runs = check_runs(lengths, height * width)
            self.collected.add_runs(image, label, runs, (top, left, height, width), BY_ROW, layer)

    def _read_tags(self, element: Element, image: int) -> None:
        tags = [tag for tag in element.findall(TAG) if tag.get("label")]
        if tags:
            self.collected.add_value(image, TAG, ";".join(dict.fromkeys(tag.get("label", "").strip() for tag in tags)))
        for tag in tags:
            self.tagged.add(tag.get("label", "").strip())
            for attribute in tag.findall("attribute"):
                name, value = attribute.get("name", "").strip(), (attribute.text or "").strip()
                if self.attributes[name] > 1:  # another label has an attribute of the same name
                    name = f"{tag.get('label')}_{name}"
                self.collected.add_value(image, name[:100], value[:1000])


def _whole(text: str | None, least: int = 0) -> int:
    """The whole number in a text; `least - 1` if there is none from `least` to a thousand million."""
    try:
        number = int(text or "")
    except ValueError:
        return least - 1
    return number if least <= number <= 10**9 else least - 1
