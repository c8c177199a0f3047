"""The table of Adience's folds, told from its text."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from afanet.report.folds_table import folds_table

REPORT = {
    fold: {"rows": {"all": 10 * place, "problems": 0}, "gender": {"f": 3 * place, "m": 7 * place}}
    for place, fold in enumerate(("0", "1", "all"), start=1)
}


def test_every_count_stands_in_the_column_of_its_fold_and_the_row_of_its_name() -> None:
    page = StringIO()
    Console(file=page, width=200).print(folds_table(REPORT))
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in page.getvalue().splitlines()]
    rows = {line[1]: line for line in lines if len(line) == 5}
    assert rows["all"] == ["rows", "all", "10", "20", "30"]
    assert rows["problems"] == ["", "problems", "0", "0", "0"]
    assert rows["f"] == ["gender", "f", "3", "6", "9"]
    assert rows["m"] == ["", "m", "7", "14", "21"]
    assert "fold 1" in page.getvalue()
