"""Label Studio's JSON: regions become masks; choices, numbers and ratings become tasks of their own."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats.brush import read_brush
from afanet.data.intake.formats.collected import Collected
from afanet.data.intake.formats.images import ABSENT, Images, plain_name, split_of
from afanet.data.intake.formats.json_stream import json_items
from afanet.data.intake.formats.shapes import BY_ROW, ShapeError, read_ring, runs_of_mask
from afanet.data.intake.formats.summary import summarise
from afanet.errors import InputError
from afanet.limits import MOST_PIXELS
from afanet.photo import SUFFIXES, photo_size

UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # the prefix that Label Studio puts before file names
LABELS = ("polygonlabels", "brushlabels", "rectanglelabels", "labels")
VALUES = ("choices", "number", "rating")
GEOMETRY = ("points", "rle", "x")


def read_label_studio(files: Sequence[Path], folder: Path, images: Images) -> Contents:
    """The contents of files in Label Studio's JSON format, and of their tasks' images below `folder`.

    Raises `InputError` for files that cannot be used.
    """
    collected = Collected()
    for number, file in enumerate(files):
        reader = _Reader(number, file, folder, images, collected)
        for task in json_items(file, "item"):
            reader.read_task(task)
        collected.end_file(file)
    source = ", ".join(file.relative_to(folder).as_posix() for file in files)
    return summarise(collected, folder, source, sorted(collected.labels))


class _Reader:
    """Reads the tasks of one file."""

    def __init__(self, number: int, file: Path, folder: Path, images: Images, collected: Collected) -> None:
        self.number, self.folder, self.images, self.collected = number, folder, images, collected
        self.faults, self.notes = collected.faults, collected.notes
        name = file.relative_to(folder).as_posix()
        self.near, self.split = name.rpartition("/")[0], split_of(name)

    def read_task(self, task: Any) -> None:
        """Collect one task: its image, and the newest annotation that counts."""
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            self.faults.add("tasks without 'data'", task.get("id") if isinstance(task, dict) else task)
            return
        path = self._locate(task)
        if path is None:
            return
        annotation = self._newest(task)
        results = annotation.get("result") if annotation else None
        results = [result for result in results or [] if isinstance(result, dict)] if isinstance(results, list) else []
        size = self._size(results, path)
        image = self.collected.add_image(path, size, self.split, self.number) if size else None
        if image is None or not size or annotation is None:
            return
        if any(result.get("image_rotation") for result in results):
            self.notes.add("images that were turned in Label Studio get no label by shapes", path)
            results = [result for result in results if not _has_geometry(result)]
        else:
            self.collected.set_labelled(image)
        for result in results:
            try:
                self._read_result(result, image, size)
            except ShapeError as error:
                self.collected.shape_fault(error, f"one in {path}")

    def _locate(self, task: Mapping[str, Any]) -> str | None:
        names = [name for value in task["data"].values() if (name := _picture(value))]
        if len(names) > 1:
            self.notes.add("tasks of several images are left out", task.get("id"))
            return None
        names += [str(task["file_upload"])] if task.get("file_upload") else []
        if not names:
            self.faults.add("tasks without the name of an image in 'data'", task.get("id"))
            return None
        reasons = []
        for name in names:
            above, slash, last = plain_name(name).rpartition("/")
            for spelt in (name, f"{above}{slash}{UPLOADED.sub('', last)}"):
                path, why = self.images.locate(spelt, self.near, self.split)
                if path:
                    return path
                reasons.append(why)
        why = next((why for why in reasons if why != ABSENT), ABSENT)
        (self.notes if why == ABSENT else self.faults).add(why, names[0])
        return None

    def _newest(self, task: Mapping[str, Any]) -> Mapping[str, Any] | None:
        listed = task.get("annotations", task.get("completions"))
        listed = listed if isinstance(listed, list) else []
        usable = [
            one for one in listed if isinstance(one, dict) and not (one.get("was_cancelled") or one.get("skipped"))
        ]
        if len(usable) > 1:
            self.notes.add("tasks have several annotations: the newest counts", task.get("id"))
        if not usable:
            self.notes.add("tasks without an annotation, or with cancelled ones, get no label", task.get("id"))
        return max(usable, key=_age, default=None)

    def _size(self, results: Sequence[Mapping[str, Any]], path: str) -> tuple[int, int] | None:
        """Height and width of the image in pixels, as a region states them, or else its real size."""
        stated = next((result for result in results if "original_width" in result and _has_geometry(result)), None)
        if stated is None:
            try:
                return photo_size(self.folder / path)
            except InputError:
                self.notes.add("images that cannot be read are left out", path)
                return None
        height, width = stated.get("original_height"), stated.get("original_width")
        if type(height) is int and type(width) is int and height > 0 < width and height * width <= MOST_PIXELS:
            return height, width
        self.faults.add(f"images without a size in whole numbers, or of more than {MOST_PIXELS:,} pixels", path)
        return None

    def _read_result(self, result: Mapping[str, Any], image: int, size: tuple[int, int]) -> None:
        kind, value = result.get("type"), result.get("value")
        if not isinstance(value, dict):
            self.faults.add("results without 'value'", result.get("id"))
        elif kind in VALUES and not _has_geometry(result):
            given = value.get(kind)
            parts = given if isinstance(given, list) else [given]
            text = ";".join(str(part).strip() for part in parts if part is not None)
            self.collected.add_value(image, str(result.get("from_name", kind))[:100], text[:1000])
        elif kind in LABELS and (names := value.get(kind)) and isinstance(names, list):
            if len(names) > 1:
                self.notes.add("regions have several labels: the first counts", result.get("id"))
            self._read_region(value, image, size, self.collected.label(str(names[0]).strip()))
        else:
            self.notes.add(f"results of the kind {kind!s:.40} are left out", result.get("id"))

    def _read_region(self, value: Mapping[str, Any], image: int, size: tuple[int, int], label: int) -> None:
        height, width = size
        if "points" in value:
            points = value["points"] if isinstance(value["points"], list) else []
            flat = [part for point in points for part in (point if isinstance(point, list) else [point])]
            ring = read_ring(flat) / 100 * [width, height]
            self.collected.add_rings(image, size, label, [ring])
        elif "rle" in value:
            runs, box = runs_of_mask(read_brush(value["rle"], height, width))
            if runs.size:
                self.collected.add_runs(image, label, runs, box, BY_ROW)
        elif "width" in value and "x" in value:
            self.collected.add_box(image, label)
        else:
            self.notes.add("regions that are not a polygon, brush or rectangle are left out", value.get("id"))


def _has_geometry(result: Mapping[str, Any]) -> bool:
    value = result.get("value")
    return isinstance(value, dict) and any(key in value for key in GEOMETRY)


def _age(annotation: Mapping[str, Any]) -> tuple[str, int]:
    number = annotation.get("id")
    changed = annotation.get("updated_at") or annotation.get("created_at") or ""
    return str(changed), number if isinstance(number, int) else 0


def _picture(value: Any) -> str | None:
    """The path of the picture that a value in a task's data names; None if it names no picture."""
    if not isinstance(value, str):
        return None
    asked = parse_qs(urlsplit(value).query) if value.startswith(("/", "http")) else {}
    if "/local-files/" in value:
        value = asked.get("d", [value])[0]
    elif "fileuri" in asked:  # an address in a cloud, which Label Studio signs for each view
        with suppress(ValueError):
            value = b64decode(asked["fileuri"][0], validate=True).decode()
    return value if Path(plain_name(value).split("?")[0]).suffix.lower() in SUFFIXES else None
