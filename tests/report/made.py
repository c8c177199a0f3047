"""The pages that open from disk, made in moments, of runs that learnt next to nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main
from afanet.data import open_data
from afanet.data.checks.survey import survey
from afanet.report.survey_page import survey_page

SHORT = "--backbone test_resnet --network.head linear --steps 2 --batch-size 4 --workers 0 --device cpu"
ROOMS = """rooms --network.output_stride 16 --size 32 48
--data.options.train_scenes 8 --data.options.test_scenes 6"""
DIGITS = "digits --method afa --data.options.train_pairs 64 --data.options.test_pairs 32"
LONG = "a class that somebody gave a_name_without_any_place_to_break_it_and_a_sentence_to_explain_it"


def trained(folder: Path, name: str) -> str:
    """A run of a method on rooms, or one of digits."""
    run = folder / name
    recipe = DIGITS if name == "digits" else f"{ROOMS} --method {name}"
    if not run.exists():
        assert main(["train", *f"{recipe} {SHORT}".split(), "--out", str(run)]) == 0
    return str(run)


def report(folder: Path) -> None:
    """Three methods."""
    runs = [trained(folder, method) for method in ("afa", "single", "cross_stitch")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.comparison.images.RESAMPLES", 20)
        assert main(["report", *runs, "--out", str(folder / "report.html")]) == 0


def run(folder: Path) -> None:
    """The report of one run, whose tasks are for the whole image."""
    assert main(["report", trained(folder, "digits"), "--out", str(folder / "run.html")]) == 0


def inspect(folder: Path) -> None:
    """One run and a photo."""
    photo = folder / "a <b>.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)).save(photo)
    assert main(["inspect", trained(folder, "afa"), str(photo), "--out", str(folder)]) == 0


def check(folder: Path) -> None:
    """Data of three tasks, one of them for the whole image and without samples, with errors and warnings."""
    data = open_data("rooms", size=(24, 32), train_scenes=3, test_scenes=1)
    found = survey(data, workers=0)
    for split in found.splits.values():
        split["tasks"]["kind"] = {"labelled": 2, "machine_made": 1, "counts": {"a": 2, LONG: 1, "c": 0}, "total": 3}
    found = replace(found, errors=[f"train/0.png: {LONG}"], warnings=["split test is small"])
    (folder / "check.html").write_text(survey_page(found, data), encoding="utf-8")


def sweep(folder: Path) -> None:
    """Five trials."""
    pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")
    from .made_sweep import five_trials

    (folder / "sweep.html").write_text(five_trials(), encoding="utf-8")


MAKERS = {"report": report, "run": run, "inspect": inspect, "check": check, "sweep": sweep}
