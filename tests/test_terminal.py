"""Tables in the width and the characters that there are."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper
from itertools import product

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from afanet.terminal import in_parts


def printed(table: Table, width: int, keys: int = 1, encoding: str = "utf-8") -> str:
    written = BytesIO()
    console = Console(file=TextIOWrapper(written, encoding=encoding, newline="\n", write_through=True), width=width)
    for part in in_parts(table, keys, console):
        console.print(part)
    return written.getvalue().decode(encoding)


def scores(methods: int) -> Table:
    table = Table("task", "metric")
    for number in range(methods):
        table.add_column(f"method {number}", justify="right", no_wrap=True)
    for task, metric in product(("segmentation", "depth"), ("miou ↑", "abs ↓")):
        table.add_row(task, metric, *(Text(f"0.{number}123 ± 0.0021 ▲", "green") for number in range(methods)))
    return table


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_a_table_that_is_too_wide_has_parts_that_lack_nothing(width: int, encoding: str) -> None:
    text = printed(scores(7), width, keys=2, encoding=encoding)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    cell = "0.{}123 ± 0.0021 ▲" if encoding == "utf-8" else "0.{}123 +/- 0.0021 +"
    assert all(text.count(cell.format(number)) == 4 for number in range(7))
    assert text.count("segmentation") == 2 * text.count("metric")
    for part in text.split("task")[1:]:
        assert len({len(line) for line in part.splitlines()[1:-2]}) == 1  # nothing is out of line


def test_a_table_that_fits_is_a_single_one() -> None:
    assert printed(scores(2), 80, keys=2).count("metric") == 1


def test_sentences_are_broken_between_words_and_columns_share_the_width() -> None:
    table = Table("name", "what it does", "paper")
    table.add_row(
        "geometric-mean", "The geometric mean of losses, whose units do not matter. " * 2, "Chennupati, 2019 " * 3
    )
    lines = printed(table, 80).splitlines()
    words = {word for line in lines for word in line.replace("│", " ").split()}
    assert {"geometric-mean", "Chennupati,", "geometric", "losses,"} <= words
    assert {len(line) for line in lines} == {80}
    assert len(lines) < 10


def test_a_word_wider_than_the_table_is_broken_not_cut() -> None:
    table = Table("name", "images")
    table.add_row("a_class_" * 20, "7")
    lines = printed(table, 40).splitlines()
    assert all(len(line) <= 40 for line in lines)
    assert "".join(line.split("│")[1].strip() for line in lines[3:-1]) == "a_class_" * 20


def test_names_are_neither_markup_nor_pictures() -> None:
    table = Table("name", r"\[red]")
    table.add_row(r"\[bold]x", ":car:")
    text = printed(table, 80)
    assert "[bold]x" in text
    assert ":car:" in text
    assert "[red]" in text
