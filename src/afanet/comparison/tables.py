"""A comparison as a table: for a terminal, and as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from afanet.comparison.compare import EXPLORATORY, ONE_SEED, Comparison
from afanet.comparison.footnotes import footnotes as footnotes
from afanet.comparison.footnotes import repeated
from afanet.comparison.quantities import COUNT, MEBIBYTES, SECONDS, WHOLE, Units, in_unit
from afanet.comparison.resampling import several_folds
from afanet.comparison.rows import Row
from afanet.comparison.statistics import Change, Spread
from afanet.json_text import to_json
from afanet.outside import short_name
from afanet.plain_text import in_latex, in_markdown, one_line

HINTS = {f"better{EXPLORATORY}": "△", f"worse{EXPLORATORY}": "▽"}
MARKS = {"better": "▲", "worse": "▼", "same": "≈", ONE_SEED: "○", "": ""} | HINTS
STYLES = dict.fromkeys(MARKS, "dim") | {"better": "green", "worse": "red"}
COSTS: dict[str, tuple[str, Units, int]] = {
    "parameters": ("parameters", COUNT, 4),
    "flops": ("FLOPs an image", COUNT, 4),
    "step_s": ("step", SECONDS, 3),
    "latency_s": ("one image", SECONDS, 3),
    "memory_mib": ("peak memory", MEBIBYTES, 3),
    "steps": ("budget, steps", WHOLE, 4),
    "operations": ("budget, operations", COUNT, 4),
}
DELTAS = {"by_task": "delta_m by task, % ↑", "by_metric": "delta_m by metric, % ↑"}


def has_room(comparison: Comparison, width: int) -> bool:
    """Whether a terminal of this width has room for the intervals of all methods."""
    return width >= 40 + 32 * len(comparison.rows)


def terminal_table(comparison: Comparison, width: int) -> Table:
    """A row for each metric, a column for each method: mean ± standard deviation, and the change with its interval.

    If that does not fit into `width` characters, a mark replaces the interval.
    """
    whole = has_room(comparison, width)
    table = Table("task", "metric")
    for row in comparison.rows:
        table.add_column(escape(row.title), justify="right", no_wrap=True)
    for task, label, cells in lines(comparison):
        texts = []
        for score, change, verdict in cells:
            text = Text(score)
            if change:
                text.append(f"\n{change} {MARKS[verdict]}" if whole else f" {MARKS[verdict]}", STYLES[verdict])
            texts.append(text)
        table.add_row(escape(task), escape(label), *texts)
    return table


def lines(comparison: Comparison) -> Iterator[tuple[str, str, list[tuple[str, str, str]]]]:
    """Every line: the task (in its first line), a label, and for each method the score, its change and the verdict."""
    for name, task in comparison.tasks.items():
        for number, (metric, higher) in enumerate(task.higher_is_better.items()):
            cells = [
                (
                    show_spread(row.scores[name][metric]),
                    show_change(row.changes.get(name, {}).get(metric)),
                    comparison.verdict(row, name, metric),
                )
                for row in comparison.rows
            ]
            yield name if number == 0 else "", f"{metric} {'↑' if higher else '↓'}", cells
    for key, label in DELTAS.items():
        if any(row.delta_m for row in comparison.rows):
            yield "", label, [(show_delta(row.delta_m.get(key)), "", "") for row in comparison.rows]
    for key, (label, units, digits) in COSTS.items():
        of_rows = [_costs(row).get(key) for row in comparison.rows]
        if any(cost is not None for cost in of_rows):
            costs = in_unit(of_rows, units, digits)
            yield "", label, [(cost, "", "") for cost in costs]


def show_spread(spread: Spread) -> str:
    """`0.4127 ± 0.0021`; only the mean for one run, a dash for no score."""
    if math.isnan(spread.mean):
        return "-"
    return f"{spread.mean:.4f}" + ("" if math.isnan(spread.deviation) else f" ± {spread.deviation:.4f}")


def show_change(change: Change | None) -> str:
    """`+0.0041 [-0.0012, +0.0094]`, empty for none."""
    if change is None or math.isnan(change.mean):
        return ""
    interval = "" if math.isnan(change.low) else f" [{change.low:+.4f}, {change.high:+.4f}]"
    return f"{change.mean:+.4f}{interval}"


def show_delta(change: Change | None) -> str:
    """`+1.32 [-0.20, +2.84]`, a dash for none."""
    if change is None or math.isnan(change.mean):
        return "-"
    return f"{change.mean:+.2f}" + ("" if math.isnan(change.low) else f" [{change.low:+.2f}, {change.high:+.2f}]")


def markdown(comparison: Comparison) -> str:
    """A table for a README."""
    titles = [in_markdown(row.title) for row in comparison.rows]
    text = [f"| task | metric | {' | '.join(titles)} |", f"| --- | --- |{' --- |' * len(titles)}"]
    for task, label, cells in lines(comparison):
        shown = [
            f"{score}<br>{change} {MARKS[verdict]}".strip() if change else score for score, change, verdict in cells
        ]
        text.append(f"| {in_markdown(task)} | {in_markdown(label)} | {' | '.join(shown)} |")
    return "\n".join([*text, "", *(f"- {in_markdown(note)}" for note in footnotes(comparison))]) + "\n"


def latex(comparison: Comparison) -> str:
    """A `tabular` for booktabs."""
    titles = [in_latex(row.title) for row in comparison.rows]
    text = [
        rf"\begin{{tabular}}{{ll{'r' * len(titles)}}}",
        r"\toprule",
        " & ".join(["task", "metric", *titles]) + r" \\",
    ]
    for task, label, cells in lines(comparison):
        if task:
            text.append(r"\midrule")
        shown = [in_latex(score) + VERDICTS[verdict] for score, _, verdict in cells]
        text.append(" & ".join([in_latex(task), in_latex(label), *shown]) + r" \\")
    notes = [f"% {one_line(note)}" for note in footnotes(comparison)]
    return "\n".join([*text, r"\bottomrule", r"\end{tabular}", *notes]) + "\n"


VERDICTS = {
    "better": r" $\blacktriangle$",
    "worse": r" $\blacktriangledown$",
    f"better{EXPLORATORY}": r" $\vartriangle$",
    f"worse{EXPLORATORY}": r" $\triangledown$",
    "same": r" $\approx$",
    ONE_SEED: r" $\circ$",
    "": "",
}


def rows_csv(comparison: Comparison) -> str:
    """A line for each method, task and metric; only main metrics have p and its correction."""
    stream = io.StringIO()
    folded = repeated(comparison) != "seeds"
    counted = ["folds", "seeds"] if folded else ["seeds"]
    names = ["method", "task", "metric", *counted, "mean", "sd", "change", "low", "high", "over", "p", "p_holm"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*names, "verdict"])
    for row in comparison.rows:
        for task, metrics in row.scores.items():
            for metric, spread in metrics.items():
                change = row.changes.get(task, {}).get(metric)
                moved = [change.mean, change.low, change.high, change.over] if change else [math.nan] * 3 + [""]
                main = change if metric == comparison.tasks[task].main_metric else None
                moved += [main.p, main.p_holm] if main else [math.nan] * 2
                folds, seeds = (len(set(each)) for each in zip(*row.group.draws, strict=True))
                counts = [folds, seeds] if folded else [len(spread.values)]
                values = [*counts, spread.mean, spread.deviation, *moved]
                shown = [_cell(value) for value in values]
                writer.writerow([row.title, task, metric, *shown, comparison.verdict(row, task, metric)])
    return stream.getvalue()


def _cell(value: str | float) -> str:
    """A cell of a CSV file: six significant digits, empty if it is not a number."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def as_json(comparison: Comparison) -> str:
    """The whole comparison, with null for values that are not numbers."""
    rows = [_row(row) for row in comparison.rows]
    return to_json({"rows": rows, "notes": footnotes(comparison)}, indent=2) + "\n"


def _costs(row: Row) -> dict[str, float]:
    """The costs of a method, and the budget of its runs, if known."""
    return row.costs | (asdict(row.budget) if row.budget else {})


def _row(row: Row) -> dict[str, Any]:
    return {
        "title": row.title,
        "method": short_name(row.group.recipe.network.method),
        "seeds": row.group.seeds,
        **({"folds": [draw.fold for draw in row.group.draws]} if several_folds(row.group.draws) else {}),
        "runs": [str(run.folder.path) for run in row.group.runs],
        "scores": {
            task: {name: asdict(spread) for name, spread in metrics.items()} for task, metrics in row.scores.items()
        },
        "changes": {
            task: {name: asdict(change) for name, change in metrics.items()} for task, metrics in row.changes.items()
        },
        "delta_m": {name: asdict(change) for name, change in row.delta_m.items()},
        "delta_m_left_out": row.delta.left_out,
        "delta_m_limited": row.delta.limited,
        "costs": _costs(row),
    }


FORMS = {
    "comparison.md": markdown,
    "comparison.csv": rows_csv,
    "comparison.tex": latex,
    "comparison.json": as_json,
}
