"""Annotation files, tables and folders of label files say together what there is to learn."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.errors import InputError
from afanet.recipe.load import load_recipe

SQUARE = [4, 3, 14, 3, 14, 9, 4, 9]


def write(root: Path, annotations: str = "annotations/instances.json") -> Path:
    """Eight images with a square drawn in COCO, depth in 16 bits, and a table with a number."""
    for name in ("images", "depth", Path(annotations).parent):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(8):
        Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(root / f"images/{number}.png")
        Image.fromarray(np.full((20, 30), 900 + number, np.uint16)).save(root / f"depth/{number}.png")
    listed = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 20, "width": 30} for n in range(8)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 7, "segmentation": [SQUARE], "bbox": [4, 3, 10, 6]}
            for n in range(8)
        ],
        "categories": [{"id": 7, "name": "cat"}],
    }
    (root / annotations).write_text(json.dumps(listed))
    (root / "weights.csv").write_text("image,grams\n" + "".join(f"{n}.png,{n}.5\n" for n in range(8)))
    return root


def rows(root: Path) -> dict[str, dict[str, str]]:
    with (root / "manifest.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def test_annotations_a_table_and_a_folder_of_depth_are_three_tasks(tmp_path: Path) -> None:
    printed = init_manifest(write(tmp_path))
    assert "grams: 8 numbers from 0.5 to 7.5" in printed
    assert "depth: 8 files in depth/, taken to be in millimetres" in printed
    for image, row in rows(tmp_path).items():
        number = Path(image).stem
        assert (row["depth"], row["grams"]) == (f"depth/{number}.png", f"{number}.5")
        mask = np.array(Image.open(tmp_path / row["segmentation"]))
        assert mask[3:9, 4:14].all()
        assert mask.sum() == 60
    tasks = load_recipe(tmp_path / "recipe.yaml").data.options["tasks"]
    assert {name: task["kind"] for name, task in tasks.items()} == {
        "segmentation": "segmentation",
        "depth": "depth",
        "grams": "regression",
    }
    assert main(["data", "check", str(tmp_path)]) == 0


def test_an_annotation_file_may_be_named_and_lie_below_the_images(tmp_path: Path) -> None:
    root = write(tmp_path / "mine")
    init_manifest(root / "annotations/instances.json")
    assert rows(root).keys() == {f"images/{number}.png" for number in range(8)}
    assert {"depth", "segmentation"} <= load_recipe(root / "recipe.yaml").data.options["tasks"].keys()


def test_masks_are_not_left_behind_where_the_manifest_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(tmp_path)
    before = {path.name for path in root.iterdir()}
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "recipe.yaml":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left on device"):
        init_manifest(root)
    assert {path.name for path in root.iterdir()} == before


def test_a_file_of_neither_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "mine")
    (root / "readme.txt").write_text("hello")
    with pytest.raises(
        InputError, match=r"readme\.txt is a file, expected a folder with images, or with images/, a table"
    ):
        init_manifest(root / "readme.txt")
