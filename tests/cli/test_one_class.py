"""A score over test labels of one class is a dash with its reason in every command, not 1.0000."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afanet.cli.main import main

FLAGS = (
    "--size 32 32 --backbone test_resnet --network.head linear --steps 1 --batch-size 4 --workers 0 "
    "--device cpu --precision float32"
)
PAIRS = "--data.options.train_pairs 8 --data.options.test_pairs 1"  # one test image has one class
REASON = "only one of 10 classes occurs in the test labels"


def test_train_evaluate_and_report_show_a_dash_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = {}
    for method in ("single", "afa"):
        runs[method] = str(tmp_path / method)
        assert main(["train", "digits", "--method", method, *FLAGS.split(), *PAIRS.split(), "--out", runs[method]]) == 0
    for words in (["evaluate", runs["single"]], ["report", *runs.values(), "--out", str(tmp_path / "page.html")]):
        printed = " ".join(capsys.readouterr().out.split())
        assert REASON in printed.replace(" │ ", " ")
        assert "1.0000" not in printed
        assert "accuracy ↑ │ - │" in printed
        assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"has no score in any run (-): {REASON}" in printed
    assert "▲" not in printed
    assert REASON in (tmp_path / "page.html").read_text(encoding="utf-8")
    kept = json.loads((tmp_path / "single/metrics.json").read_text())
    assert {value for scores in kept["tasks"].values() for value in scores.values()} == {None}
    assert set(kept["unscored"]["tasks"].values()) == {REASON}
