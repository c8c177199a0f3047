"""Runs whose data are gone are compared by what they kept, and looked into."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet.cli.main import main

FLAGS = "--size 32 32 --steps 1"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs on images of one's own, which are then removed."""
    folder = tmp_path_factory.mktemp("own")
    generator = np.random.default_rng(0)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "scene", "order"])
        for number in range(8):
            Image.fromarray(generator.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
            writer.writerow([f"{number}.png", "test" if number > 3 else "train", "hall", "a"])
    options = {
        "manifest": "table.csv",
        "tasks": {
            "scene": {"kind": "classification", "classes": ["hall", "attic"]},
            "order": {"kind": "classification", "classes": ["a", "b", "c"]},
        },
    }
    recipe = {
        "name": "own",
        "data": {"name": "manifest", "root": str(folder), "options": options},
        "network": {"backbone": "test_resnet", "output_stride": 16},
        "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
        "schedule": {"name": "constant"},
        "epochs": 1,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(recipe))
    found = [folder.with_name(f"{folder.name}-runs") / method for method in ("afa", "single")]
    for run in found:
        words = ["train", str(folder / "own.yaml"), "--method", run.name, *FLAGS.split(), "--out", str(run)]
        assert main(words) == 0
    (folder / "0.png").rename(found[0].with_name("0.png"))
    for file in [*folder.glob("*.png"), folder / "table.csv"]:
        file.unlink()
    return found


def test_a_report_has_scores_curves_and_a_line_on_what_is_left_out(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "page.html")]) == 0
    printed, page = capsys.readouterr().out, (tmp_path / "page.html").read_text()
    note = "pictures, details and flows are left out, since the data cannot be read: "
    assert printed.count(note) == page.count(note) == 1
    assert "table.csv" in page
    for there in ("<h2>Scores", "Learning", "How to repeat it", "accuracy ↑", "GFLOPs an image", "loss scene"):
        assert there in page
    for gone in ("Held-out images", "Who takes what", "in detail", "<script>"):
        assert gone not in page
    scores = json.loads((runs[0] / "metrics.json").read_text())["tasks"]
    assert all(f"{value:.4f}" in page for task in scores.values() for value in task.values() if value is not None)


@pytest.mark.parametrize("limit", ["0", "4"])
def test_a_photo_is_looked_at_without_the_data(
    limit: str, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = runs[0].parent / "0.png"
    assert main(["inspect", str(runs[0]), str(photo), "--limit", limit, "--out", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "inspect.json").read_text())
    assert ("The data cannot be read: " in told["note"]) == (limit == "4")
    assert told["note"] in " ".join(capsys.readouterr().out.split("\n"))
    [flows] = told["photos"].values()
    for row in told["connections"]:
        to, source = told["tasks"].index(row["to"]), told["tasks"].index(row["source"])
        assert row["share"] == pytest.approx(flows[row["layer"]][to][source])
        assert row["changes"] == {}
    assert all(sum(row) == pytest.approx(1) for flow in flows.values() for row in flow)


def test_without_the_data_a_photo_is_needed(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(runs[0])]) == 2
    error = capsys.readouterr().err
    assert "(no photo was given, so `inspect` needs the test images)" in error
    assert "table.csv" in error.partition("(no photo")[0]  # what is wrong comes first


def test_runs_that_kept_no_description_say_what_is_missing(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs[0] / "metrics.json"
    kept = file.read_text()
    try:
        file.write_text(json.dumps({key: value for key, value in json.loads(kept).items() if key != "described"}))
        for words in (["report", str(runs[0])], ["inspect", str(runs[0]), str(runs[0].parent / "0.png")]):
            assert main([*words, "--out", str(tmp_path / "out")]) == 2
            assert "table.csv" in capsys.readouterr().err
    finally:
        file.write_text(kept)


def test_runs_that_kept_no_meaning_of_their_tasks_are_reported_by_their_scores(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = [shutil.copytree(run, tmp_path / run.name) for run in runs]
    for run in older:
        results = json.loads((run / "metrics.json").read_text())
        for described in results["described"].values():
            del described["meaning"]
        (run / "metrics.json").write_text(json.dumps(results))
    assert main(["report", *map(str, older), "--out", str(tmp_path / "page.html")]) == 0
    assert "since the data cannot be read" in capsys.readouterr().out
