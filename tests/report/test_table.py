"""Tables of metrics."""

from __future__ import annotations

import io

from rich.console import Console

from afanet.report import metrics_table
from afanet.tasks import Classification, Depth, Task

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}


def printed(runs: dict[str, dict[str, dict[str, float]]]) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100).print(metrics_table(runs, TASKS))
    return stream.getvalue()


def test_every_figure_stands_in_its_runs_column_beside_its_arrow() -> None:
    text = printed(
        {
            "single": {"depth": {"abs": 0.51234, "delta1": 0.7}, "age": {"accuracy": 0.6}},
            "afa": {"depth": {"abs": 0.4, "delta1": float("nan")}, "age": {"accuracy": 0.5}},
        }
    )
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert rows == [
        ["depth", "abs ↓", "0.5123", "0.4000"],
        ["", "delta1 ↑", "0.7000", "-"],
        ["age", "accuracy ↑", "0.6000", "0.5000"],
    ]


def test_no_colour_goes_into_a_file() -> None:
    assert "\x1b" not in printed({"run": {"depth": {"abs": 0.5}, "age": {"accuracy": 0.6}}})


def test_a_dash_has_its_reason_below_and_no_dash_has_none() -> None:
    said = "-: the split has no labels to compute it from"
    for value, there in ((float("nan"), True), (0.5, False)):
        text = " ".join(printed({"run": {"depth": {"abs": value}, "age": {"accuracy": 0.6}}}).split())
        assert (said in text) == there


def test_names_are_no_markup() -> None:
    scores = {"depth": {"abs": 0.5}, "age": {"accuracy": 0.6}}
    text = printed({"[red]a[/x]": scores, "[link=file:///x]b": scores})
    assert "[red]a[/x]" in text
    assert "[link=file:///x]b" in text


def test_a_known_reason_is_said_of_its_task_once_for_all_its_dashes() -> None:
    nothing = float("nan")
    runs = {"run": {"depth": {"abs": nothing}, "age": {"accuracy": nothing, "macro_f1": nothing}}}
    reason = "only one of 2 classes occurs in the [test] labels"
    table = metrics_table(runs, TASKS, {"run": {"age": reason}})
    stream = io.StringIO()
    Console(file=stream, width=100).print(table)
    text = " ".join(stream.getvalue().split())
    assert text.count(reason) == 1
    assert "- of age: only" in text
    assert "-: the split has no labels to compute it from" in text
