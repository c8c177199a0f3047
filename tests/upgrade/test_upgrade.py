"""Runs of older versions are read by this one, and runs of newer ones refused by one sentence."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from timm.models import is_model

from afanet import __version__
from afanet.cli import main

from ..relatives import relatives

HERE = Path(__file__).parent
RUNS = ["20498bf", "c9f0cf7", "c7b2545"]
NEWEST = pytest.mark.parametrize("run", relatives(RUNS, RUNS[-1:]), indirect=True)  # in the fast suite
# Scores over a thousand pairs: processors add in different orders, which may turn a few pairs that are nearly tied.
TURNED = 5e-3


@pytest.fixture(scope="module", autouse=True)
def network() -> None:
    """The runs' network is in timm's registry."""
    if not is_model("small_enough_to_keep"):
        runpy.run_path(str(HERE / "train.py"))


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of the folder, for what reads a run also writes into it."""
    return Path(shutil.copytree(HERE / request.param, tmp_path / request.param))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(256, size=(40, 30, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def kept(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def rewrite(run: Path, **changes: Any) -> None:
    results = kept(run / "metrics.json") | changes
    (run / "metrics.json").write_text(json.dumps(results), encoding="utf-8")


def commands(run: Path, photo: Path) -> list[list[str]]:
    """One of every kind that reads a run."""
    out = str(run.parent / "out")
    return [
        ["evaluate", str(run)],
        ["predict", str(run), str(photo), "--out", out],
        ["report", str(run), "--out", str(run / "report.html")],
        ["inspect", str(run), str(photo), "--out", out],
        ["export", str(run)],
    ]


def test_its_figures_are_those_of_then(run: Path) -> None:
    then = kept(run / "metrics.json")["tasks"]
    assert main(["evaluate", str(run)]) == 0
    now = kept(run / "evaluation.json")["tasks"]
    assert {task: list(figures) for task, figures in now.items()} == {task: list(f) for task, f in then.items()}
    for task, figures in then.items():
        assert now[task] == pytest.approx(figures, abs=TURNED)


def test_a_run_that_kept_no_threads_is_evaluated(tmp_path: Path) -> None:
    run = Path(shutil.copytree(HERE / RUNS[0], tmp_path / "run"))
    results = kept(run / "metrics.json")
    del results["threads"]
    (run / "metrics.json").write_text(json.dumps(results), encoding="utf-8")
    assert main(["evaluate", str(run)]) == 0
    assert kept(run / "evaluation.json")["tasks"]["left"] == pytest.approx(results["tasks"]["left"], abs=TURNED)


def test_it_predicts(run: Path, photo: Path) -> None:
    out = run.parent / "predicted"
    assert main(["predict", str(run), str(photo), "--out", str(out)]) == 0
    [line] = (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    predictions = json.loads(line)["predictions"]
    assert sorted(predictions) == ["left", "right"]


@NEWEST
def test_it_is_reported(run: Path) -> None:
    page = run / "report.html"
    assert main(["report", str(run), "--out", str(page)]) == 0
    accuracy = kept(run / "metrics.json")["tasks"]["left"]["accuracy"]
    assert f"{accuracy:.3f}" in page.read_text(encoding="utf-8")


@NEWEST
def test_it_is_exported_as_it_answers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "--format", "torch"]) == 0
    assert "checked against the run" in capsys.readouterr().out
    assert (run / "model.pt2").is_file()


@pytest.mark.parametrize("version", ["99.0.0", "0.99.0", "0.99.0rc1"])
def test_a_newer_one_is_refused(version: str, run: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(run, versions={"afanet": version})
    for words in commands(run, photo):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"was made by afanet {version}, which this version, {__version__}, does not know how to read" in said


def test_a_newer_patch_is_read(run: Path) -> None:
    major, minor, _ = __version__.split(".")
    rewrite(run, versions={"afanet": f"{major}.{minor}.99"})
    assert main(["evaluate", str(run)]) == 0
