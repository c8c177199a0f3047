"""Who takes what, as tables and drawings, shared by the terminal, the report and the page of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from afanet.comparison.statistics import Change
from afanet.comparison.tables import MARKS, show_change
from afanet.inspection.connections import Cut, Readings, strongest
from afanet.report.borrowing import borrowing
from afanet.report.flows import MANY, flow_drawing, profile_drawing
from afanet.tasks import Described

ROWS = 200  # the most connections in a table: those that carry most


def connections(readings: Readings, cuts: Sequence[Cut], names: Sequence[str]) -> list[dict[str, Any]]:
    """Every connection with its share, averaged over the images read, and with the changes if it was cut.

    The share is None at a layer that does not define it.
    """
    effects = {(cut.layer, cut.to, cut.source): cut.changes for cut in cuts}
    rows = []
    for layer, to, source in strongest(readings, sum(len(names) ** 2 for _ in readings)):
        changes: dict[str, Change] = effects.get((layer, names[to], names[source]), {})
        share = readings[layer].flow.mean(0)[to, source].item()
        rows.append({"layer": layer, "to": names[to], "source": names[source], "share": share, "changes": changes})
    unread = [cut for cut in cuts if cut.layer not in readings]
    return rows + [
        {"layer": cut.layer, "to": cut.to, "source": cut.source, "share": None, "changes": cut.changes}
        for cut in unread
    ]


def flow_table(readings: Readings, cuts: Sequence[Cut], tasks: Mapping[str, Described], width: int) -> Table:
    """A row for each connection: the share of `to` that comes from `from`, and what a cut changes for each task.

    If intervals do not fit into `width` characters, a mark replaces them. The common beginning of all layer names is in
    the heading, not in the rows.
    """
    headings, rows = _headings(cuts, tasks, "\n"), _rows(readings, cuts, tasks)
    whole = len(tasks) > MANY or width >= 50 + 31 * len(headings)
    begins = common_beginning([row["layer"] for row in rows])
    table = Table(f"layer of {escape(begins.rstrip('.'))}" if begins else "layer", "to", "from")
    table.add_column("share", justify="right")
    for heading in headings:
        table.add_column(escape(heading), justify="right")
    for row in rows:
        effects = ["\n".join(_effect(text, verdict, whole) for text, verdict in cell) for cell in row["effects"]]
        cells = [
            row["layer"].removeprefix(begins),
            row["to"],
            row["source"],
            "?" if row["share"] is None else f"{row['share']:.1%}",
            *effects,
        ]
        table.add_row(*map(escape, cells))
    return table


def _effect(text: str, verdict: str, whole: bool) -> str:
    """A change with its interval and mark, or without the interval."""
    return f"{text if whole else text.partition(' [')[0]} {MARKS[verdict]}".rstrip()


def common_beginning(layers: Sequence[str]) -> str:
    """The common beginning of all layer names; the rest of each begins with a part that is not a number.

    >>> common_beginning(["backbone.layer4.0", "backbone.layer4.1"]), common_beginning(["stem", "layer1"])
    ('backbone.', '')
    """
    parts = [layer.split(".") for layer in layers]
    levels = list(zip(*(of_layer[:-1] for of_layer in parts), strict=False))
    shared = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels)]
    while shared and any(of_layer[len(shared)].isdigit() for of_layer in parts):
        shared.pop()
    return "".join(f"{part}." for part in shared)


def section(readings: Readings, cuts: Sequence[Cut], tasks: Mapping[str, Described]) -> dict[str, Any]:
    """The content of `connections.html`: sentences, flows and channel profiles by layer, and the table's rows."""
    names = list(tasks)
    flows = [reading.flow.mean(0).double().numpy() for reading in readings.values()]
    return {
        "words": borrowing(readings, cuts, tasks),
        "whole": flow_drawing(np.mean(flows, 0), names, "mean over all layers") if len(flows) > 1 else "",
        "flows": [flow_drawing(flow, names, layer) for layer, flow in zip(readings, flows, strict=True)],
        "profiles": [
            profile_drawing({name: reading.kept[:, index].double().numpy() for index, name in enumerate(names)}, layer)
            for layer, reading in readings.items()
            if reading.kept is not None
        ],
        "many": len(names) > MANY,
        "headings": _headings(cuts, tasks),
        "rows": _rows(readings, cuts, tasks),
        "connections": len(connections(readings, cuts, names)),
        "cuts": len(cuts),
        "marks": MARKS,
    }


def _headings(cuts: Sequence[Cut], tasks: Mapping[str, Described], between: str = " ") -> list[str]:
    """A column for each task's main metric; for more than `MANY` tasks, a single one for all clear changes."""
    if not cuts:
        return []
    if len(tasks) > MANY:
        return ["if cut, clearly"]
    arrows = {name: "↑" if task.higher_is_better[task.main_metric] else "↓" for name, task in tasks.items()}
    return [between.join(["if cut:", name, f"{task.main_metric} {arrows[name]}"]) for name, task in tasks.items()]


def _rows(readings: Readings, cuts: Sequence[Cut], tasks: Mapping[str, Described]) -> list[dict[str, Any]]:
    """The connections that carry most and those that were cut, with `effects`: words and verdict for each column."""
    names = list(tasks)
    shown = {(layer, names[to], names[source]) for layer, to, source in strongest(readings, ROWS)}
    shown |= {(cut.layer, cut.to, cut.source) for cut in cuts}
    rows = []
    for row in connections(readings, cuts, names):
        if (row["layer"], row["to"], row["source"]) not in shown:
            continue
        texts = {name: _in_words(change, tasks[name]) for name, change in row["changes"].items()}
        if len(tasks) > MANY:
            clear = [
                (f"{name} {text}", verdict) for name, (text, verdict) in texts.items() if verdict in ("better", "worse")
            ]
            effects = [clear or [("", "same")]] if texts else [[]]
        else:
            effects = [[cell] for cell in texts.values()]
        rows.append(row | {"effects": effects})
    return rows


def _in_words(change: Change, task: Described) -> tuple[str, str]:
    if math.isnan(change.mean):
        return "no label", ""
    if change.mean == change.low == change.high == 0:
        return "unchanged", ""
    return show_change(change), change.verdict(task.higher_is_better[task.main_metric])
