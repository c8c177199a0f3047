"""`afanet balancing` as a person uses it, and the page that shows its table."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import pytest

from afanet.cli.balancing import add_balancing_command
from afanet.training.balancing.methods import BALANCINGS

PAGE = Path(__file__).parents[2] / "docs" / "balancing.md"


def run(*words: str) -> None:
    parser = ArgumentParser()
    add_balancing_command(parser.add_subparsers())
    given = parser.parse_args(["balancing", *words])
    given.command(given)


def test_names_are_printed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run("--names")
    assert capsys.readouterr().out.splitlines() == list(BALANCINGS)


def test_the_table_has_everything(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    run()
    out = capsys.readouterr().out
    for row in BALANCINGS.values():
        assert all(text in out for text in (row.name, row.kind, row.sentence, row.paper, *row.options))


def test_the_page_shows_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for row in BALANCINGS.values():
        options = ", ".join(f"{key} {value:g}" for key, value in row.options.items())
        assert f"| `{row.name}` | {row.kind} | {row.sentence} | {row.paper} | {options} |" in text
