"""Masks of 300 classes in 16 bits, beside masks in colours, go through every command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import afanet
from afanet.cli.main import main
from afanet.recipe.load import load_recipe
from afanet.runs.setup import open_tasks

CLASSES = 300
SMALL = "--data.size 32 32 --backbone test_resnet --network.head linear --epochs 1 --workers 0 --device cpu"
COLOURS = {"ground": [128, 64, 128], "thing": [220, 20, 60]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures whose squares have one of 300 classes, in 16 bits, and one of two in colours."""
    folder = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    for name in ("images", "masks", "things"):
        (folder / name).mkdir()
    rows = ["image,split,parts,things"]
    for number in range(10):
        parts = np.kron(random.integers(0, CLASSES, (6, 8)), np.ones((4, 4), int)).astype(np.uint16)
        parts[:2] = 65535
        things = np.array(list(COLOURS.values()), np.uint8)[(parts > 150).astype(int)]
        Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).save(folder / f"images/{number}.png")
        Image.fromarray(parts).save(folder / f"masks/{number}.png")
        Image.fromarray(things).save(folder / f"things/{number}.tif")
        rows.append(f"images/{number}.png,{'test' if number > 7 else 'train'},masks/{number}.png,things/{number}.tif")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    parts_task = {"kind": "segmentation", "classes": [f"part {number}" for number in range(CLASSES)]}
    tasks = {"parts": parts_task, "things": {"kind": "segmentation", "colours": COLOURS}}
    recipe = {
        "name": "squares",
        "data": {
            "name": "manifest", "root": ".", "size": [32, 32], "resize": "letterbox", "options": {"tasks": tasks}
        },
        "network": {"method": "hard", "backbone": "test_resnet", "head": "linear", "output_stride": 16},
        "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
        "schedule": {"name": "constant"},
        "epochs": 1,
        "batch_size": 4,
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("many") / "run"
    assert (
        main(["train", str(folder / "recipe.yaml"), "--out", str(out), *SMALL.split(), "--precision", "float32"]) == 0
    )
    return out


def test_a_prepared_copy_gives_the_same_labels(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path))
    plain = open_tasks(load_recipe(folder / "recipe.yaml"))[0].test[0]["targets"]
    assert main(["data", "prepare", str(folder / "recipe.yaml")]) == 0
    assert list(tmp_path.glob("*/*/test/target.parts.npy"))
    cached = open_tasks(load_recipe(folder / "recipe.yaml"))[0].test[0]["targets"]
    truth = np.asarray(Image.open(folder / "masks/8.png")).astype(int)
    seen = truth[((2 * np.arange(24) + 1) * 24) // 48][:, ((2 * np.arange(32) + 1) * 32) // 64]
    assert plain["parts"][4:28].tolist() == seen.tolist()
    assert set(plain["parts"][:4].flatten().tolist()) == {65535}
    for name, void in {"parts": 65535, "things": 255}.items():
        assert plain[name].dtype == torch.int64
        assert torch.equal(plain[name], cached[name])
        assert plain[name].max() == void


def test_it_is_trained_scored_and_reported(run: Path, tmp_path: Path) -> None:
    scores = json.loads((run / "metrics.json").read_text())["tasks"]
    assert all(0 <= value <= 1 for task in ("parts", "things") for value in scores[task].values())
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    assert main(["report", str(run), "--out", str(tmp_path / "report.html")]) == 0


def test_a_result_keeps_the_numbers_of_its_classes(folder: Path, run: Path, tmp_path: Path) -> None:
    assert main(["predict", str(run), str(folder / "images/8.png"), "--out", str(tmp_path)]) == 0
    with Image.open(tmp_path / "parts/8.png") as picture:
        assert picture.mode == "I;16"
        written = np.asarray(picture)
    result = afanet.load_run(run).predictor()(folder / "images/8.png")["parts"]
    assert result.labels.dtype == np.uint16
    np.testing.assert_array_equal(written, result.labels)
    assert written.max() < CLASSES


def test_one_task_is_exported_and_answers_alike(folder: Path, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "model.onnx"
    assert main(["export", str(run), "--format", "onnx", "--tasks", "parts", "--out", str(file)]) == 0
    exported = afanet.Predictor(file)(folder / "images/8.png")["parts"]
    own = afanet.load_run(run).predictor()(folder / "images/8.png")["parts"]
    assert len(exported.classes) == CLASSES
    assert (exported.labels == own.labels).mean() > 0.99


def test_the_check_lists_the_values_of_every_file_that_are_in_no_list(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = (folder / "manifest.csv").read_text().splitlines()
    ids = np.zeros((24, 32), np.uint16)
    ids[0, :3], ids[1, :2] = 700, 301
    Image.fromarray(ids).save(folder / "masks/bad.png")
    Image.fromarray(np.full((24, 32, 3), 9, np.uint8)).save(folder / "things/bad.tif")
    lines = [table[1].replace("masks/0.png", "masks/bad.png"), table[2].replace("things/1.tif", "things/bad.tif")]
    (folder / "bad.csv").write_text("\n".join([table[0], *lines, *table[3:]]) + "\n")
    try:
        override = ["--data.options.manifest", "bad.csv"]
        assert main(["data", "check", str(folder / "recipe.yaml"), *override]) == 2
        said = capsys.readouterr()
        assert (
            "masks/bad.png has the ids 700 in 3 pixels, 301 in 2 pixels, expected those of 300" in said.out + said.err
        )
        assert "things/bad.tif has the colour [9, 9, 9] in 768 pixels, expected those of 2" in said.out + said.err
        assert (
            main(["train", str(folder / "recipe.yaml"), *override, "--out", str(tmp_path / "run"), *SMALL.split()]) == 2
        )
        assert capsys.readouterr().err.count("has the id") == 1
        assert not (tmp_path / "run").exists()
    finally:
        for name in ("bad.csv", "masks/bad.png", "things/bad.tif"):
            (folder / name).unlink()
