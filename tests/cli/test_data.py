"""`afanet data check` and `afanet data prepare` as a person uses them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from scipy.io import savemat

from afanet.cli import main
from afanet.data.checks.survey import Survey
from afanet.report.survey_table import survey_tables

ROOMS = ["--size", "24", "32", "--data.options.train_scenes", "4", "--data.options.test_scenes", "2"]
TRAIN = "--backbone test_resnet --network.head linear --steps 2 --batch-size 2 --workers 0 --device cpu"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Four frames of NYUv2 as plain folders."""
    root = tmp_path / "frames"
    rng = np.random.default_rng(0)
    for folder in ("rgb", "label40", "depth_mm"):
        (root / folder).mkdir(parents=True)
    for index in range(1, 5):
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(root / f"rgb/{index:04d}.jpg")
        Image.fromarray(rng.integers(0, 41, (12, 16), np.uint8)).save(root / f"label40/{index:04d}.png")
        Image.fromarray(rng.integers(500, 9000, (12, 16), np.uint16)).save(root / f"depth_mm/{index:04d}.png")
    savemat(root / "splits.mat", {"trainNdxs": np.array([[1], [2], [3]]), "testNdxs": np.array([[4]])})
    return root


def test_a_check_prints_what_is_there(frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(frames)]) == 0
    out = capsys.readouterr().out
    assert "3 training and 1 test frames from folders, 40 classes and depth" in out
    assert "12x16 (3)" in out
    assert "refridgerator" in out
    assert "error" not in out


def test_a_check_of_a_recipe_reads_the_recipe_s_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "rooms", *ROOMS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["train"]["images"] == 4
    assert found["splits"]["test"]["sizes"] == {"24x32": 2}


def test_every_error_is_listed_and_the_status_is_2(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frames / "rgb/0001.jpg").write_bytes((frames / "rgb/0001.jpg").read_bytes()[:200])
    (frames / "depth_mm/0002.png").write_bytes(b"")
    Image.new("L", (16, 12), 41).save(frames / "label40/0003.png")
    Image.new("I;16", (12, 16), 900).save(frames / "depth_mm/0004.png")
    page = tmp_path / "page.html"
    assert main(["data", "check", str(frames), "--html", str(page)]) == 2
    out, error = capsys.readouterr()
    lines = [line for line in out.splitlines() if line.startswith("error: ")]
    assert len(lines) == 4
    for name in ("rgb/0001.jpg", "depth_mm/0002.png", "label40/0003.png", "depth_mm/0004.png"):
        assert sum(name in line for line in lines) == 1
        assert name in page.read_text()
    assert error.splitlines() == [
        "reading 4 samples",
        f"afanet: error: {frames} has 4 errors: correct them before you train on it",
    ]
    assert main(["data", "check", str(frames), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["errors"]) == 4


def test_the_page_stands_alone_and_shows_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["data", "check", "rooms", *ROOMS, "--html", str(page)]) == 0
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 6
    assert text.count("data:image/png;base64,") == 12
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert main(["data", "check", "rooms", *ROOMS, "--html", str(page / "page.html")]) == 2
    assert "page.html cannot be written: Not a directory" in capsys.readouterr().err


def test_training_uses_what_was_prepared_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "rooms", *ROOMS, *TRAIN.split(), "--out", "plain"]) == 0
    assert "cache" not in capsys.readouterr().err
    assert main(["data", "prepare", "rooms", *ROOMS]) == 0
    assert "written" in capsys.readouterr().out
    assert main(["data", "prepare", "rooms", *ROOMS]) == 0
    assert "already there" in capsys.readouterr().out
    assert main(["train", "rooms", *ROOMS, *TRAIN.split(), "--out", "cached"]) == 0
    assert f"reading samples from the cache {tmp_path / 'cache'}" in capsys.readouterr().err
    plain, cached = (json.loads(Path(run, "metrics.json").read_text())["tasks"] for run in ("plain", "cached"))
    assert plain == cached


def test_labels_without_photos_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "user_id\toriginal_image\tface_id\tage\tgender\n"
    for fold in range(5):
        (tmp_path / f"fold_{fold}_data.txt").write_text(f"{header}u{fold}\ta.jpg\t1\t(25, 32)\tf\n")
    assert main(["data", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "age (drop)" in out
    assert "only the labels were checked" in out
    page = tmp_path / "page.html"
    assert main(["data", "check", str(tmp_path), "--html", str(page)]) == 0
    text = page.read_text()
    assert "labels without photos, 5 rows of 5 users in five folds" in text
    assert text.count("100.0 %") == 6 * 3  # every fold and all of them, for gender and age by either policy
    capsys.readouterr()
    assert main(["data", "check", str(tmp_path), "--data.options.ages", "drop"]) == 2
    assert "whose check takes no data.options.ages: leave it out" in capsys.readouterr().err
    (tmp_path / "fold_1_data.txt").write_text(f"{header}u0\ta.jpg\t1\t(25, 32)\tf\nu1\tb.jpg\t1\told\tf\n")
    assert main(["data", "check", str(tmp_path), "--json"]) == 2
    assert len(json.loads(capsys.readouterr().out)["errors"]) == 2


def test_a_folder_of_a_recipe_s_name(
    frames: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = frames.parent / "nyuv2"
    frames.rename(folder)
    monkeypatch.chdir(folder.parent)
    assert main(["data", "check", "nyuv2"]) == 2
    error = capsys.readouterr().err
    assert "got no path" in error
    assert error.rstrip().endswith("or write ./nyuv2 for the folder of the recipe's name")
    assert main(["data", "check", "./nyuv2"]) == 0


def test_many_tasks_have_a_row_each(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    figures = {"labelled": 2, "counts": {"no": 1, "yes": 1}, "total": 2}
    tasks = {f"Attribute_{number}": figures for number in range(40)}
    found = Survey("toy", {"train": {"images": 2, "sizes": {"4x6": 2}, "tasks": tasks}}, [], [])
    tables = list(survey_tables(found))
    assert len(tables) == 2 + 40
    for table in tables[:2]:
        Console().print(table)
    out = capsys.readouterr().out
    assert "│ train │      2 │ 4x6 (2) │" in out
    assert all(f"│ {name} " in out for name in tasks)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "nowhere"], "nowhere is nothing, expected a recipe or the folder of a data set"),
        (["check", "."], "does not have the layout of a known data set"),
        (["check", "rooms", "--sise", "3"], "unknown flag '--sise', did you mean '--size'?"),
        (["check", "rooms", "--epochs", "3"], "unknown flag '--epochs'"),
        (["prepare", "romes"], "unknown recipe 'romes', did you mean 'rooms'?"),
        (["chekc"], "unknown command 'chekc', did you mean 'check'?"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_bad_input_gets_one_sentence(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_features_are_refused_before_anything_is_decoded_and_notes_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    words = ["data", "prepare", "rooms", *ROOMS, "--features", *TRAIN.split()[:4], "--method", "hard"]
    for more, sentence in (
        ([], "no stage of the backbone is frozen"),
        (["--freeze", "backbone", "--data.crop", "16", "16"], "data.crop cuts a random part"),
        (["--freeze", "backbone", "--device", "cuda:77"], "device 'cuda:77' does not exist here"),
        (["--freeze", "backbone", "--data.features", "none"], "data.features is none"),
    ):
        assert main([*words, *more]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "cache").exists()
    monkeypatch.setattr("afanet.training.job.Job.notes", ["a wish that cannot be had"])
    assert main([*words, "--freeze", "backbone", "--tasks", "depth", "--device", "cpu"]) == 0
    assert "a wish that cannot be had\n" in capsys.readouterr().out
    assert len(list((tmp_path / "cache").glob("*/*-features-*"))) == 1
