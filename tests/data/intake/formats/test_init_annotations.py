"""From annotation files to a trained network in two commands."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.errors import InputError

from .test_cvat import cvat, image, polygon
from .trees import SQUARE, coco, photos, write

SMALL = "--backbone test_resnet --network.head linear --epochs 1 --workers 0 --device cpu --batch-size 2"
NAMES = [f"{number}.png" for number in range(6)]


def coco_tree(folder: Path) -> None:
    for split, names in (("train", NAMES[:4]), ("val", NAMES[4:])):
        photos(folder / split, names)
        annotations = [(number, 1 + number % 2, [SQUARE]) for number in range(len(names))]
        file = folder / f"annotations/instances_{split}.json"
        write(file, coco(names, annotations, ((1, "cat"), (2, "dog"))))


def cvat_tree(folder: Path) -> None:
    photos(folder / "images", NAMES)
    tags = [f'<tag label="scene"><attribute name="weather">{word}</attribute></tag>' for word in ("sun", "rain")]
    shapes = [image(name, polygon("car") + tags[number % 2]) for number, name in enumerate(NAMES)]
    write(folder / "annotations.xml", cvat("".join(shapes)))


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_commands_train_on_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pets"
    coco_tree(folder)
    assert main(["data", "init", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "segmentation: 6 masks of 3 classes, drawn from 6 shapes into segmentation/" in printed
    assert "4 train, 0 validation, 2 test" in printed
    assert {row["split"] for row in table(folder) if row["image"].startswith("val/")} == {"test"}
    assert np.unique(np.array(Image.open(folder / table(folder)[1]["segmentation"]))).tolist() == [0, 2]
    assert main(["data", "check", str(folder)]) == 0
    recipe = str(folder / "recipe.yaml")
    assert main(["train", recipe, *SMALL.split(), "--out", str(tmp_path / "runs")]) == 0


def test_two_commands_train_on_cvat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "streets"
    cvat_tree(folder)
    assert main(["data", "init", str(folder / "annotations.xml")]) == 0
    assert set(table(folder)[0]) == {"image", "split", "segmentation", "weather"}
    assert (folder / table(folder)[0]["segmentation"]).is_file()
    recipe = str(folder / "recipe.yaml")
    assert main(["train", recipe, *SMALL.split(), "--out", str(tmp_path / "runs")]) == 0


def test_nothing_is_left_of_masks_if_the_table_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coco_tree(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())

    def fail(files: object) -> None:
        assert (tmp_path / "segmentation").is_dir()
        raise InputError("the disk is full")

    monkeypatch.setattr("afanet.data.intake.init.write_all", fail)
    with pytest.raises(InputError, match="the disk is full"):
        init_manifest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_faulty_file_is_a_sentence_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco_tree(tmp_path)
    file = tmp_path / "annotations/instances_train.json"
    file.write_bytes(file.read_bytes()[:-200])
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["data", "init", str(tmp_path)]) == 2
    assert "instances_train.json is cut short" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == before
