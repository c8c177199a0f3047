"""`afanet label` on a run of a moment, then training on what it wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet.cli.main import main
from afanet.runs.run import load_run

SMALL = (
    "--size 32 48 --backbone test_resnet --network.head linear --steps 2 --batch-size 2 --workers 0 "
    "--device cpu --method hard"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "rooms"
    few = "--data.options.train_scenes 4 --data.options.test_scenes 2"
    assert main(["train", "rooms", *SMALL.split(), *few.split(), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos/images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(tmp_path / f"photos/images/{number}.png")
    return tmp_path / "photos"


def test_a_network_learns_from_what_another_said_and_says_so(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(run), str(photos / "images"), "--out", str(photos / "manifest.csv")]) == 0
    printed, student = capsys.readouterr(), photos.with_name("student")
    assert "labelling 4 images" in printed.err
    declared = yaml.safe_load(printed.out[printed.out.index("tasks:") :])["tasks"]
    assert declared["depth"] == {"kind": "depth", "max": 10.0}
    assert next(line.split() for line in printed.out.splitlines() if line.startswith("depth"))[:3] == [
        "depth",
        "4",
        "0",
    ]
    with (photos / "manifest.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    rows[1][rows[0].index("split")] = "test"
    rows[1][rows[0].index("machine_made")] = ""  # as if a person had looked at it
    (photos / "manifest.csv").write_text("\n".join(map(",".join, rows)))
    data = {"name": "manifest", "root": str(photos), "size": [32, 48], "options": {"tasks": declared}}
    recipe = yaml.safe_load((run / "recipe.yaml").read_text()) | {"name": "own", "data": data}
    (photos / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    assert main(["data", "check", str(photos), "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert checked["splits"]["train"]["tasks"]["depth"]["machine_made"] == 3
    assert main(["train", str(photos / "recipe.yaml"), *SMALL.split(), "--out", str(student)]) == 0
    said = capsys.readouterr()
    assert "labelled segmentation 4 (3 machine-made), depth 4 (3 machine-made)" in said.err + said.out
    results = json.loads((student / "metrics.json").read_text())
    assert results["machine_made"]["train"]["depth"]["machine_made"] == 3
    assert main(["save", str(student), str(student / "saved")]) == 0
    card = (student / "saved/README.md").read_text()
    assert "labels of split train made by a network, not by a person: segmentation 3 (mean confidence 0." in card
    assert load_run(student / "saved").results["machine_made"] == results["machine_made"]
    assert main(["report", str(student), "--out", str(photos / "report.html")]) == 0
    assert "depth 4 (3 machine-made)" in (photos / "report.html").read_text()


def test_a_table_is_filled_with_the_ids_of_the_recipe_beside_it(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = load_run(run).tasks["segmentation"].names
    ids = {10 * number: name for number, name in enumerate(classes)}
    tasks = {"segmentation": {"kind": "segmentation", "ids": ids}, "depth": {"kind": "depth", "scale": 0.01}}
    recipe = {"name": "own", "data": {"name": "manifest", "root": ".", "options": {"tasks": tasks}}}
    (photos / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    table = "image,split,segmentation,depth\nimages/0.png,train,,\nimages/1.png,test,,\n"
    (photos / "manifest.csv").write_text(table)
    assert main(["label", str(run), "--out", str(photos / "manifest.csv"), "--fill"]) == 0
    assert "1 row of the splits validation and test keeps its empty cells" in capsys.readouterr().out
    mask = np.asarray(Image.open(photos / "segmentation-machine/images/0.png"))
    assert set(np.unique(mask)) <= set(ids)
    steps = np.asarray(Image.open(photos / "depth-machine/images/0.png"))
    assert steps.max() < 1000  # centimetres
    assert main(["label", str(run), "--out", str(photos / "manifest.csv"), "--fill"]) == 0
    assert "nothing to fill" in capsys.readouterr().out


def test_what_is_wrong_is_said_and_the_rest_is_done(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "images/empty.png").touch()
    out = str(photos / "t.csv")
    assert main(["label", str(run), str(photos / "images"), "--out", out, "--tasks", "depth"]) == 2
    said = capsys.readouterr().err
    assert "1 of the images cannot be used:" in said
    assert "empty.png is empty" in said
    assert len((photos / "t.csv").read_text().splitlines()) == 5
    assert main(["label", str(run), str(photos / "images"), "--out", out]) == 2
    assert "exists and is never overwritten: fill its empty cells with --fill" in capsys.readouterr().err
    assert main(["label", str(run), "--out", str(photos / "u.csv")]) == 2
    assert "there is no image to label" in capsys.readouterr().err
    assert main(["label", str(run), str(photos / "images"), "--out", str(photos / "u.csv"), "--threshold", "1"]) == 2
    assert "threshold 1 leaves no label, since the largest confidence is 0." in capsys.readouterr().err
    assert not (photos / "u.csv").exists()
    assert {path.name for path in photos.iterdir()} == {"images", "t.csv", "depth-machine"}
