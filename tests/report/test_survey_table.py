"""Tables of a check, told from their text."""

from __future__ import annotations

import io

from rich.console import Console

from afanet.data.checks.survey import Survey
from afanet.report.survey_table import survey_tables

SPLITS = {
    "train": {
        "images": 9,
        "sizes": {"4x6": 5, "6x6": 2, "8x8": 1, "9x9": 1},
        "tasks": {
            "age": {"labelled": 8, "labelled_share": 1.0, "counts": {"young": 6, "old": 2}, "total": 8},
            "depth": {
                "labelled": 9,
                "labelled_share": 0.5,
                "min": 0.5,
                "max": 123.456,
                "percentiles": {"1": 0.7, "50": 2.0},
            },
        },
    },
    "test": {"images": 1, "sizes": {"4x6": 1}, "tasks": {"age": {"labelled": 0}, "depth": {"labelled": 0}}},
}


def printed(survey: Survey) -> list[str]:
    console = Console(width=80, no_color=True, file=io.StringIO())
    for table in survey_tables(survey):
        console.print(table)
    return console.file.getvalue().splitlines()


def row(lines: list[str], start: str) -> list[str]:
    [line] = [line for line in lines if line.startswith(f"│ {start} ")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_every_figure_stands_in_its_place() -> None:
    lines = printed(Survey("toy", SPLITS, [], []))
    trains = [line for line in lines if line.startswith("│ train")]
    assert "4x6 (5), 6x6 (2), 8x8 (1) and 1" in trains[0]
    assert "9 (50.0% of pixels)" in trains[0]
    assert [cell.strip() for cell in trains[1].strip("│").split("│")] == ["train", "0.5", "0.7", "2", "123"]
    assert row(lines, "young") == ["young", "75.0%", "█" * 20, "-", ""]
    assert row(lines, "old") == ["old", "25.0%", "█" * 7, "-", ""]
    assert all(len(line) <= 80 for line in lines)


def test_without_any_label_there_is_the_overview_alone() -> None:
    survey = Survey("toy", {"test": SPLITS["test"]}, [], [])
    assert len(list(survey_tables(survey))) == 1
