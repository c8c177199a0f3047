"""Annotation files are recognised by their first bytes, and broken ones get a sentence and leave nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from afanet.data.intake.formats import read_annotations
from afanet.errors import InputError

from .test_cvat import cvat, image
from .test_cvat import polygon as cvat_polygon
from .test_label_studio import polygon, task
from .trees import SQUARE, coco, contents_of, photos, write


def trees(root: Path) -> dict[str, Path]:
    """A small file of each format beside its image, by the format's name."""
    files = {
        "coco": write(root / "coco/instances.json", coco(annotations=[(0, 1, [SQUARE])])),
        "cvat": write(root / "cvat/annotations.xml", cvat(image("a.png", cvat_polygon("car")))),
        "label studio": write(root / "studio/project.json", [task("a.png", polygon("road"))]),
        "yolo": write(root / "yolo/data.yaml", "train: images\nval: images\nnames: [cat]\n"),
    }
    for file in files.values():
        photos(file.parent, ["a.png"])
    return files


def read_or_refuse(file: Path) -> None:
    """Read a file and draw its masks, which are removed again; anything but a sentence of refusal is raised."""
    said = ""
    try:
        contents = read_annotations(file)
        if contents and contents.masks:
            with contents.masks.written(file.parent):
                pass
            shutil.rmtree(file.parent / "segmentation")
    except InputError as error:
        said = str(error)
    assert "\n" not in said, said


def test_a_folder_without_annotation_files_is_none(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    write(tmp_path / "package.json", {"name": "x", "files": [1]})
    write(tmp_path / "numbers.json", [1, 2])
    write(tmp_path / "recipe.yaml", "data:\n  names: [a]\n")
    write(tmp_path / "page.xml", "<html/>")
    write(tmp_path / "labels.csv", "image,age\na.png,3\n")
    assert read_annotations(tmp_path) is None
    assert read_annotations(tmp_path / "labels.csv") is None


def test_images_may_be_below_a_folder_above_that_of_the_file(tmp_path: Path) -> None:
    photos(tmp_path, ["images/a.png"])
    file = write(tmp_path / "annotations/instances.json", coco(annotations=[(0, 1, [SQUARE])]))
    contents = read_annotations(file, tmp_path)
    assert contents is not None
    assert contents.images == ["images/a.png"]


def test_files_of_several_formats_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    file = trees(tmp_path)["coco"]
    write(file.parent / "annotations.xml", cvat(image("a.png", cvat_polygon("car"))))
    with pytest.raises(InputError, match=r"several formats, CVAT \(annotations.xml\) and COCO \(instances.json\)"):
        read_annotations(file.parent)
    assert contents_of(file).columns["segmentation"].declared["classes"] == ["background", "cat"]


@pytest.mark.parametrize("seed", range(4))
def test_cut_and_changed_files_are_read_or_refused_in_a_sentence(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for file in trees(tmp_path).values():
        whole = file.read_bytes()
        before = sorted(path.name for path in file.parent.iterdir())
        for _ in range(60):
            content = bytearray(whole[: rng.integers(len(whole))] if rng.random() < 0.3 else whole)
            for _ in range(int(rng.integers(1, 4)) if content else 0):
                content[rng.integers(len(content))] = rng.choice(
                    [0, 34, 44, 45, 48, 57, 91, 125, 0xFF, rng.integers(256)]
                )
            file.write_bytes(content)
            read_or_refuse(file)
            assert sorted(path.name for path in file.parent.iterdir()) == before
        file.write_bytes(whole)


VALUES = [
    None,
    True,
    -1,
    0,
    1e300,
    10**18,
    "",
    "x",
    "../x.png",
    [],
    [[]],
    [[1, 2]],
    {},
    {"a": 1},
    {"size": None, "counts": 3},
]


@pytest.mark.parametrize("name", ["coco", "label studio"])
def test_values_of_every_other_type_are_read_or_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    file = trees(tmp_path)[name]
    text = file.read_text()

    def spots(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(spot for key, part in inside for spot in spots(part, (*path, key)))]

    for spot in spots(json.loads(text))[1:]:
        for value in VALUES:
            whole = inner = json.loads(text)
            for key in spot[:-1]:
                inner = inner[key]
            inner[spot[-1]] = value
            write(file, whole)
            read_or_refuse(file)
