"""What sharing changed, by task and method, from the tables in `docs/results`: `python docs/drawings/forest.py`.

A panel for each task of each data set: the change of its main metric against single task, in per cent of single task's
score, to the right for the better, with its 95 % interval. A disc stands where it is clear after Holm's correction.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from draw import INK, LINE, SOFT, A, B, Drawing

RESULTS = Path(__file__).parents[1] / "results"
METHODS = {
    "hard": "hard",
    "mtan": "MTAN",
    "cross_stitch": "cross-stitch",
    "nddr": "NDDR",
    "afa_channel": "CAM alone",
    "afa_spatial": "SAM alone",
    "afa": "AFA",
    "ensemble": "two averaged",
}
WIDE, LEFT, PITCH, HEAD = 228, 98, 17, 44  # of a panel, of the names in it, of a row, of what is above the rows


class Panel(NamedTuple):
    """A task of a data set: its table, its main metric and which way that is better."""

    table: str
    title: str
    task: str
    metric: str
    sign: int


PANELS = (
    Panel("nyuv2-two-tasks", "2 tasks: segmentation, mIoU", "segmentation", "miou", 1),
    Panel("nyuv2-two-tasks", "2 tasks: depth, abs. error", "depth", "abs", -1),
    Panel("nyuv2-three-tasks", "3 tasks: segmentation, mIoU", "segmentation", "miou", 1),
    Panel("nyuv2-three-tasks", "3 tasks: depth, abs. error", "depth", "abs", -1),
    Panel("nyuv2-three-tasks", "3 tasks: normals, mean angle", "normals", "mean", -1),
    Panel("faces-lite0", "gender, Lite0: accuracy", "gender", "accuracy", 1),
    Panel("faces-lite0", "age, Lite0: accuracy", "age", "accuracy", 1),
    Panel("faces-resnet18", "gender, ResNet-18: accuracy", "gender", "accuracy", 1),
    Panel("faces-resnet18", "age, ResNet-18: accuracy", "age", "accuracy", 1),
)


class Row(NamedTuple):
    """A method's change in per cent of single task's score, positive for the better."""

    method: str
    mean: float
    low: float
    high: float
    clear: bool


def read_rows(panel: Panel) -> list[Row]:
    """The rows of a panel, in the order of `METHODS`."""
    with (RESULTS / f"{panel.table}.csv").open(newline="") as file:
        of_task = {
            row["method"]: row
            for row in csv.DictReader(file)
            if (row["task"], row["metric"]) == (panel.task, panel.metric)
        }
    per_cent = 100 * panel.sign / float(of_task["single"]["mean"])
    rows = []
    for method in METHODS:
        if method in of_task:
            mean, *ends = (per_cent * float(of_task[method][key]) for key in ("change", "low", "high"))
            rows.append(Row(method, mean, min(ends), max(ends), of_task[method]["verdict"] in ("better", "worse")))
    return rows


def forest() -> Drawing:
    """All panels, two in a row, on one scale."""
    tables = [read_rows(panel) for panel in PANELS]
    tall = HEAD + PITCH * max(map(len, tables)) + 26
    reach = max(abs(end) for rows in tables for row in rows for end in (row.low, row.high)) * 1.05
    drawing = Drawing(16 + (tall + 8) * ((len(PANELS) + 1) // 2), "What sharing changed against single task")
    for number, (panel, rows) in enumerate(zip(PANELS, tables, strict=True)):
        _panel(drawing, 8 + (WIDE + 8) * (number % 2), 8 + (tall + 8) * (number // 2), panel, rows, reach)
    return drawing


def _panel(drawing: Drawing, x: float, y: float, panel: Panel, rows: list[Row], reach: float) -> None:
    bottom = y + HEAD + PITCH * len(rows)
    drawing.frame(x, y, WIDE, bottom + 26 - y, panel.title)

    def at(value: float) -> float:
        return round(x + LEFT + (WIDE - LEFT - 10) * (value + reach) / (2 * reach), 1)

    step = next(step for step in (0.5, 1, 2, 5, 10, 20) if 2 * step >= 0.8 * reach)
    for tick in (-step, 0, step):
        drawing.line((at(tick), y + HEAD - 8), (at(tick), bottom), colour=SOFT if tick == 0 else LINE)
        drawing.text(at(tick), bottom + 16, f"{tick:+g} %" if tick else "0", SOFT)
    for number, row in enumerate(rows):
        middle = y + HEAD + PITCH * number + 5
        colour = SOFT if not row.clear else A if row.mean > 0 else B
        drawing.text(x + LEFT - 6, middle + 4, METHODS[row.method], INK, "end", bold=row.method == "afa")
        drawing.line((at(row.low), middle), (at(row.high), middle), colour=colour)
        drawing.dot(at(row.mean), middle, colour, filled=row.clear)


if __name__ == "__main__":
    Path(__file__).with_name("forest.svg").write_text(forest().svg(), encoding="utf-8")
