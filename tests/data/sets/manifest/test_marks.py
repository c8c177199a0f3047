"""Labels that a network has given are counted wherever data are described."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from afanet.data import Data, open_data
from afanet.data.checks.survey import survey, survey_for_training
from afanet.errors import InputError
from afanet.report.survey_page import survey_page
from afanet.report.survey_table import survey_tables

from .conftest import SIZE, TASKS

HEADER = ["image", "split", *TASKS, "machine_made", "age_confidence", "breed_confidence"]
ROWS = [
    {
        "image": "a.png",
        "split": "train",
        "breed": "cat",
        "age": "3",
        "machine_made": "age; breed",
        "age_confidence": "0.5",
    },
    {"image": "b.png", "split": "train", "breed": "dog", "age": "4", "machine_made": "age", "age_confidence": "1"},
    {"image": "c.png", "split": "train", "age": "", "breed": "dog", "machine_made": "age", "age_confidence": "1e-3"},
    {"image": "d.png", "split": "test", "breed": "dog", "age": "9", "machine_made": "breed", "breed_confidence": ""},
]


def opened(own: Path, rows: list[dict[str, str]] = ROWS, **tasks: Any) -> Data:
    with (own / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return open_data("manifest", own, SIZE, tasks=tasks or {name: TASKS[name] for name in ("breed", "age")})


def test_they_are_counted_by_split_and_task(own: Path) -> None:
    data = opened(own)
    assert not data.problems
    assert data.machine_made == {
        "train": {"breed": {"machine_made": 1}, "age": {"machine_made": 2, "confidence": 0.75}},
        "test": {"breed": {"machine_made": 1}},
    }
    assert data.describe.endswith("labelled breed 4 (2 machine-made), age 3 (2 machine-made)")
    [unread] = [line for line in data.warnings if "no task reads" in line]
    assert unread.endswith("no task reads: tags, grade, segmentation, depth, normals")
    assert [line for line in data.warnings if "network" in line] == [
        "split test has 1 labels of breed that a network has given: scores on them only say how alike two networks "
        "are, so leave them empty"
    ]


def test_a_check_says_so_in_words_in_json_and_on_its_page(own: Path) -> None:
    data = opened(own)
    result = survey(data, workers=0)
    assert (
        result.plain()["splits"]["train"]["tasks"]["age"] | {"machine_made": 2, "confidence": 0.75}
        == (result.splits["train"]["tasks"]["age"])
    )
    assert survey_for_training(data, data.tasks, workers=0).splits["train"]["tasks"]["age"]["machine_made"] == 2
    console = Console(width=150, no_color=True, record=True, file=io.StringIO())
    console.print(next(survey_tables(result)))
    text = console.export_text()
    assert "2 (2 machine-made, confidence 0.750)" in text
    assert "3 (1 machine-made)" in text
    page = survey_page(result, data)
    assert "2; 2 machine-made, confidence 0.750" in page
    assert "3; 1 machine-made<" in page


def test_a_table_without_the_column_says_nothing_of_it(own: Path) -> None:
    rows = [{key: cell for key, cell in row.items() if key != "machine_made"} for row in ROWS]
    data = opened(own, rows)
    assert not data.machine_made
    assert "machine" not in data.describe
    assert not any("machine_made" in of_task for of_task in survey(data, workers=0).splits["train"]["tasks"].values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"machine_made": "age;bred"},
            "machine_made names tasks whose labels a network has given: unknown column 'bred'",
        ),
        ({"age_confidence": "1.5"}, "age_confidence is '1.5', expected a confidence from 0 to 1"),
        ({"breed_confidence": "much"}, "breed_confidence is 'much', expected a confidence from 0 to 1"),
    ],
)
def test_a_wrong_mark_is_a_problem_with_its_line(own: Path, change: dict[str, str], said: str) -> None:
    [problem] = opened(own, [ROWS[0] | change, *ROWS[1:]]).problems
    assert problem.startswith(f"{own / 'manifest.csv'}, line 2: {said}")


def test_their_names_are_taken(own: Path) -> None:
    with pytest.raises(InputError, match="task name 'machine_made' is taken"):
        opened(own, machine_made=TASKS["age"])
    with pytest.raises(
        InputError, match="task name 'age_confidence' is that of the column with the confidence of 'age'"
    ):
        opened(own, age=TASKS["age"], age_confidence=TASKS["age"])
    assert not opened(own, age_confidence=TASKS["age"]).problems


def test_parts_of_mixed_data_are_counted_together(own: Path) -> None:
    opened(own)
    part = {"name": "manifest", "root": str(own), "options": {"tasks": {"age": TASKS["age"]}}}
    data = open_data("mixed", size=SIZE, parts=[part, part])
    assert data.machine_made == {"train": {"age": {"machine_made": 4, "confidence": 0.75}}}
