"""`afanet results` as a person uses it."""

from __future__ import annotations

import csv
import io

import pytest

from afanet.cli.main import main
from afanet.results import read_results


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["results", *words]) == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def test_every_comparison_has_a_table_of_main_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys)
    assert all(f"{name}: " in out for name in {score.comparison for score in read_results()})
    assert "miou ↑" in out
    assert "delta1" not in out


def test_a_task_has_all_its_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--data", "adience", "--method", "nddr", "--task", "age")
    assert out.startswith("faces-lite0: adience at 64x64, tf_efficientnet_lite0, 5 folds\n")
    assert "\nfaces: adience at 80x80, resnet18, 3 seeds\n" in out
    [*_, line] = [line for line in out.splitlines() if line.startswith("nddr")]
    assert "0.6494 ± 0.0024 0.6499 ± 0.0020 0.9444 ± 0.0025 23.75 1.076" in " ".join(line.split())


def test_the_rows_are_printed_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(capsys, "--method", "mtan", "--csv"))))
    assert len(rows) == sum(score.method == "mtan" for score in read_results())


def test_what_there_is_not_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "--data", "nyu"]) == 2
    said = "unknown data set 'nyu', did you mean 'nyuv2'? (known: adience, nyuv2)"
    assert capsys.readouterr().err == f"afanet: error: {said}\n"
