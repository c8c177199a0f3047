"""`afanet predict` on runs of moments."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main
from afanet.cli.predict import _require_words
from afanet.errors import InputError
from afanet.inference.output_names import unique_names

SMALL = "--size 32 48 --backbone test_resnet --network.head linear --steps 2 --batch-size 2 --workers 0 --device cpu"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of one name, one of another size, and two that are none."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, size in {"a/x.png": (40, 50), "b/x.png": (9, 7), "y.jpg": (64, 32)}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(folder / name)
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    few = "--size 32 32 --data.options.train_pairs 8 --data.options.test_pairs 8"
    assert main(["train", "digits", *SMALL.split(), *few.split(), "--out", str(folder)]) == 0
    return folder


def test_a_mirror_image_of_left_and_right_is_refused(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), str(photos / "a"), "--out", str(tmp_path / "out"), "--flip"]) == 2
    assert "task 'left' depends on the side (mirror: false): leave --flip out" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_some_tasks_alone_are_predicted(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(run), str(photos / "a"), "--out"]
    for out, tasks in (("some", ["--tasks", "right"]), ("both", ["--tasks", "right", "left"]), ("all", [])):
        assert main([*words, str(tmp_path / out), *tasks]) == 0
    some, both, every = (
        json.loads((tmp_path / out / "predictions.jsonl").read_text())["predictions"] for out in ("some", "both", "all")
    )
    assert list(some) == ["right"]
    assert some["right"] == every["right"]
    assert both == every
    capsys.readouterr()
    assert main([*words, str(tmp_path / "none"), "--tasks", "left,rigt"]) == 2
    assert capsys.readouterr().err.endswith("unknown task 'rigt', did you mean 'right'? (known: left, right)\n")
    assert not (tmp_path / "none").exists()


def test_what_can_be_read_is_done_and_the_rest_is_listed(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["predict", str(run), str(photos), str(tmp_path / "gone.png"), "--out", str(out), "--batch-size", "2"]
    assert main([*words, "--scales", "1", "1.5"]) == 2
    said = capsys.readouterr()
    for name, why in [("gone.png", "does not exist"), ("empty.png", "is empty"), ("text.jpg", "is not a picture")]:
        assert any(name in line and why in line for line in said.err.splitlines())
    assert "side-by-side: 3 files" in said.out
    lines = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == ["a-x", "b-x", "y"]
    assert [line["size"] for line in lines] == [[40, 50], [9, 7], [64, 32]]
    with (out / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for line, row in zip(lines, rows, strict=True):
        assert all((out / file).is_file() for file in line["files"])
        for task, found in line["predictions"].items():
            assert found["class"] == row[task] == max(found["probabilities"], key=found["probabilities"].get)
            assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
            assert float(row[f"{task}.{found['class']}"]) == found["probabilities"][found["class"]]
    assert not list(out.rglob("*.partial"))


def test_a_second_time_leaves_out_what_the_first_made(run: Path, photos: Path, tmp_path: Path) -> None:
    words = ["predict", str(run), str(tmp_path), "--out", str(tmp_path / "out")]
    Image.open(photos / "y.jpg").save(tmp_path / "y.png")
    assert main(words) == main(words) == 0
    assert len((tmp_path / "out/predictions.jsonl").read_text().splitlines()) == 1


def test_json_is_the_lines_of_the_file_with_or_without_files(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(run), str(photos / "a"), str(photos / "b"), "--json"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    assert printed.isascii()
    assert lines == [json.loads(line) for line in (tmp_path / "out/predictions.jsonl").read_text().splitlines()]
    assert main(words) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        line | {"files": []} for line in lines
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_predictions_that_would_go_nowhere_are_refused(
    run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), str(photos / "y.jpg")]) == 2
    assert "give --out DIR for files, --json to print them, or both" in capsys.readouterr().err
    tasks = {"depth": {"kind": "depth"}, "normals": {"kind": "normals"}}
    dense = SimpleNamespace(model=SimpleNamespace(about=SimpleNamespace(tasks=tasks)))
    with pytest.raises(InputError, match="results of depth, normals are pictures, which JSON cannot hold"):
        _require_words(dense)
    tasks["age"] = {"kind": "regression"}
    _require_words(dense)


def pipe(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_dash_is_the_picture_that_is_piped_in(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (photos / "y.jpg").read_bytes()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_bytes((photos / "a/x.png").read_bytes())  # a file, which has a folder before its name
    pipe(content, monkeypatch)
    assert main(["predict", str(run), "./-", str(photos / "y.jpg"), "-", "--json"]) == 0
    piped, dash, file = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (piped["image"], piped["name"]) == ("-", "stdin")
    for task, found in file["predictions"].items():
        assert piped["predictions"][task]["probabilities"] == pytest.approx(found["probabilities"], abs=1e-5)
    assert piped["size"] == file["size"] == [64, 32]
    assert dash["size"] == [40, 50]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "the standard input is empty"), (b"MZ", "the standard input is not a picture")]
)
def test_what_is_piped_in_and_no_picture_is_said(
    content: bytes, said: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(content, monkeypatch)
    assert main(["predict", str(run), "-", "--json"]) == 2
    assert said in capsys.readouterr().err


def test_a_dash_without_a_pipe_does_not_wait(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(b"", monkeypatch)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert main(["predict", str(run), "-", "--json"]) == 2
    assert "nothing is piped into it: append < photo.jpg" in capsys.readouterr().err


def test_a_video_is_predicted_on_frame_by_frame(run: Path, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    film = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (48, 32))
    for shade in (10, 120, 240):
        film.write(np.full((32, 48, 3), shade, np.uint8))
    film.release()
    (tmp_path / "none.mp4").write_bytes(b"x")
    assert main(["predict", str(run), str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    names = sorted(file.stem for file in (tmp_path / "out/side-by-side").iterdir())
    assert names == ["film-000001", "film-000002", "film-000003"]


def test_without_opencv_a_video_is_said_to_need_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert main(["predict", str(run), str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "pip install opencv-python-headless" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["predict", str(run), str(photos / "y.jpg"), "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def names_listed(out: Path) -> list[str]:
    return [json.loads(line)["name"] for line in (out / "predictions.jsonl").read_text().splitlines()]


def test_a_name_that_no_file_of_results_can_have_spoils_nothing_else(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [b"a.png", b"bad\xff.png", b"n" * 246 + b".png", b"m" * 197 + b".png", b"two\nlines.png", b"z.png"]
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes((photos / "a/x.png").read_bytes())
    out = tmp_path / "out"
    assert main(["predict", str(run), str(folder), "--out", str(out), "--batch-size", "1"]) == 2
    assert names_listed(out) == ["a", "two\nlines", "z"]
    said = capsys.readouterr().err.splitlines()
    assert said.pop(0) == "predicting on 6 files"
    assert "3 of the inputs cannot be used" in said[0]
    assert [("not UTF-8" in line, "250 bytes" in line, "201 bytes" in line) for line in sorted(said[1:])] == [
        (True, False, False),
        (False, False, True),
        (False, True, False),
    ]
    with (out / "predictions.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a", "two\nlines", "z"]


def test_a_result_that_cannot_be_written_leaves_no_other_of_its_photo(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    (out / "side-by-side" / "y.png").mkdir(parents=True)  # a folder has the name that a picture should get
    assert main(["predict", str(run), str(photos / "y.jpg"), str(photos / "a/x.png"), "--out", str(out)]) == 2
    assert "side-by-side/y.png cannot be written: Is a directory" in capsys.readouterr().err
    assert names_listed(out) == ["x"]
    assert not list(out.rglob("*.partial*"))


def test_what_was_done_is_listed_when_the_work_ends_early(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def side_by_side(pixels: np.ndarray, results: object) -> np.ndarray:
        calls.append(pixels.shape)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pixels

    monkeypatch.setattr("afanet.inference.together.side_by_side", side_by_side)
    out = tmp_path / "out"
    assert main(["predict", str(run), str(photos), "--out", str(out)]) == 130
    assert names_listed(out) == ["a-x", "b-x"]
    assert sorted(file.stem for file in (out / "side-by-side").iterdir()) == ["a-x", "b-x"]


@pytest.mark.parametrize("words", [["--batch-size", "0"], ["--scales", "0"], ["--scales", "x"]])
def test_wrong_numbers_are_said(
    words: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(run), "x.png", "--out", str(tmp_path / "out"), *words]) == 2
    assert capsys.readouterr().err.startswith("afanet: error: ")


def test_names_are_unique_whatever_the_files_are_called() -> None:
    names = ["a/x.jpg", "b/x.jpg", "x.jpg", "a-x.png", "a/X.png", "c/d/x.png", "c/e/d/x.png", "a/x-jpg.png", "x.JPG"]
    found = unique_names([Path(name) for name in names])
    assert len({name.casefold() for name in found}) == len(names)
    assert not any("/" in name for name in found)


def test_no_photo_has_the_name_of_a_frame() -> None:
    files = ["f.mp4", "f-000001.jpg", "F-video-000007.png", "f-video.png", "g.avi"]
    names = unique_names([Path(file) for file in files])
    assert names[1:] == ["f-000001", "F-video-000007", "f-video", "g"]
    frames = {f"{names[0]}-{number:06}".casefold() for number in range(9)}
    assert not frames & {name.casefold() for name in names}
    assert names[0] not in names[1:]
