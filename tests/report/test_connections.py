"""The rows that are shown of connections, few and many."""

from __future__ import annotations

import io

import torch
from rich.console import Console

from afanet.comparison.statistics import Change
from afanet.inspection.connections import Cut, Reading
from afanet.report.connections import connections, flow_table, section
from afanet.tasks import Classification, Depth, Task

TASKS: dict[str, Task] = {"age": Classification("age", ["n", "y"]), "depth": Depth()}
READINGS = {"stem": Reading(torch.tensor([[[0.9, 0.1], [0.4, 0.6]], [[0.7, 0.3], [0.4, 0.6]]]), None)}


def change(mean: float) -> Change:
    return Change(mean, mean - 0.01, mean + 0.01, "images")


def test_shares_are_means_over_the_images() -> None:
    rows = connections(READINGS, [], list(TASKS))
    assert [(row["to"], row["source"], round(row["share"], 6)) for row in rows] == [
        ("age", "depth", 0.2),
        ("depth", "age", 0.4),
    ]


def test_a_cut_says_for_each_task_which_way_it_went() -> None:
    cuts = [Cut("stem", "age", "depth", {"age": change(-0.5), "depth": Change(0, 0, 0, "images")})]
    cuts.append(Cut("stem", "depth", "age", {"age": change(0.001), "depth": change(-0.5)}))
    shown = section(READINGS, cuts, TASKS)
    [[(_, loss)], [(kept, mark)]] = shown["rows"][0]["effects"]
    assert (loss, kept, mark) == ("worse", "unchanged", "")
    [[(_, alike)], [(_, gain)]] = shown["rows"][1]["effects"]
    assert (alike, gain) == ("same", "better")  # a smaller error is the better
    assert shown["headings"] == ["if cut: age accuracy ↑", "if cut: depth abs ↓"]
    assert flow_table(READINGS, cuts, TASKS, 80).row_count == 2


def test_many_tasks_show_their_strongest_connections_and_what_changed_clearly() -> None:
    tasks = {str(number): Classification(str(number), ["n", "y"]) for number in range(20)}
    flow = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(0))
    flow[0, 7, 3] = 5
    changes = dict.fromkeys(tasks, change(0.0)) | {"7": change(-0.2)}
    shown = section({"stem": Reading(flow / flow.sum(2, keepdim=True), None)}, [Cut("stem", "7", "3", changes)], tasks)
    assert (len(shown["rows"]), shown["connections"]) == (200, 380)
    [row] = [row for row in shown["rows"] if row["effects"] != [[]]]
    assert (row["to"], row["source"]) == ("7", "3")
    assert [verdict for _, verdict in row["effects"][0]] == ["worse"]


def test_a_task_without_a_label_on_the_images_says_so() -> None:
    nothing = Change(float("nan"), float("nan"), float("nan"), "images")
    shown = section(READINGS, [Cut("stem", "age", "depth", {"age": nothing, "depth": change(-0.5)})], TASKS)
    assert shown["rows"][0]["effects"] == [[("no label", "")], [("-0.5000 [-0.5100, -0.4900]", "better")]]


def test_layers_and_tasks_are_no_markup_on_a_terminal() -> None:
    stream = io.StringIO()
    Console(file=stream, width=100).print(flow_table({"[/x]": READINGS["stem"]}, [], TASKS, 100))
    assert "[/x]" in stream.getvalue()
