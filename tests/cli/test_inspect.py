"""`afanet inspect` on runs of moments."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main

FLAGS = "--size 32 48 --data.options.train_scenes 8 --data.options.test_scenes 6 --steps 2 --batch-size 4 --workers 0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "afa"
    assert main(["train", "rooms", *FLAGS.split(), "--device", "cpu", "--out", str(folder)]) == 0
    return folder


def photo(folder: Path, name: str = "a <b>.png") -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def test_it_says_what_every_connection_carries_and_is_worth(run: Path, tmp_path: Path) -> None:
    assert main(["inspect", str(run), str(photo(tmp_path)), "--limit", "4", "--out", str(tmp_path / "o")]) == 0
    told = json.loads((tmp_path / "o/inspect.json").read_text())
    rows = told["connections"]
    assert len(rows) == 4  # two layers, two directions
    for row in rows:
        assert 0 <= row["share"] <= 1
        assert set(row["changes"]) == {"segmentation", "depth"}
    last = [row for row in rows if row["layer"] == "backbone.layer4.1"]
    for row in last:  # after the last layer the tasks are on their own
        assert row["changes"][row["source"]]["mean"] == 0
    page = (tmp_path / "o/inspect.html").read_text()
    assert "a &lt;b&gt;.png" in page
    assert "4 of 6 test images" in page


def test_without_cuts_it_is_the_photos_alone(run: Path, tmp_path: Path) -> None:
    assert main(["inspect", str(run), str(photo(tmp_path)), "--limit", "0", "--out", str(tmp_path / "o")]) == 0
    assert all(not row["changes"] for row in json.loads((tmp_path / "o/inspect.json").read_text())["connections"])


def test_without_photos_it_shows_test_images(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, images in (("with", [str(photo(tmp_path))]), ("without", [])):
        assert main(["inspect", str(run), *images, "--limit", "4", "--out", str(tmp_path / name)]) == 0
    assert "test images, on which connections were cut. " in capsys.readouterr().out
    known, told = (json.loads((tmp_path / name / "inspect.json").read_text()) for name in ("with", "without"))
    assert (len(known["photos"]), len(told["photos"])) == (1, 4)
    assert told | {"photos": {}} == known | {"photos": {}}
    pages = [(tmp_path / name / "inspect.html").read_text() for name in ("with", "without")]
    for there in ("<table", "If cut:", "4 of 6 test images", "<svg", "<img", "<h2>Images</h2>"):
        assert all(there in page for page in pages), there
    assert all(f"<h3>{name}</h3>" in pages[1] for name in told["photos"])


def test_what_cannot_be_looked_at_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.png").write_bytes(b"")
    for words, said in [
        ([str(tmp_path), "a.png"], "is not a run folder"),
        ([str(run), str(tmp_path / "none.png")], "none.png"),
        ([str(run), str(tmp_path / "missing.png")], "missing.png"),
        ([str(run), "a.png", "--limit", "-1"], "0 or more"),
        ([str(run), "--limit", "0"], "there is no photo: give a photo, or a limit above 0"),
    ]:
        assert main(["inspect", *words]) == 2
        assert said in capsys.readouterr().err


def test_constant_gates_are_scored_beside_the_networks_own(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    assert main(["inspect", str(run), "--constant", "--limit", "4", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    told = json.loads((tmp_path / "inspect.json").read_text())["constant"]
    assert (told["images"], told["total"], told["kept"]) == (4, 6, [])
    assert told["conclusion"] in printed.replace("\n", " ")
    assert {(row["task"], row["metric"]) for row in told["scores"]} >= {("segmentation", "miou"), ("depth", "abs")}
    for row in told["scores"]:
        for kind in ("constant", "exchanged"):
            if row[kind]["score"] is not None:
                assert row[kind]["change"]["mean"] == pytest.approx(row[kind]["score"] - row["own"])
    layers = ["backbone.layer4.0", "backbone.layer4.1"]
    assert [(one["layer"], one["kind"]) for one in told["gates"]] == [
        (layer, kind) for layer in layers for kind in ("channel", "spatial")
    ]
    dead = [one["layer"] for one in told["gates"] if one["dead"]]
    assert [f"gates of {layer} are dead" in printed for layer in layers] == [layer in dead for layer in layers]
    page = (tmp_path / "inspect.html").read_text()
    for there in (told["conclusion"], "Would constant gates do?", "State of the gates", "4 of 6 test images"):
        assert there in page, there


def test_without_test_images_constant_gates_cannot_be_scored(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["inspect", str(run), str(photo(tmp_path)), "--constant", "--limit", "0", "--out", str(tmp_path / "o")]
    assert main(words) == 2
    assert "constant gates are scored on them: give one above 0" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
