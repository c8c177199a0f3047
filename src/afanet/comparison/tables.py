"""A comparison as a table: for a terminal, and as Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from afanet.comparison.compare import ONE_SEED, Comparison, Row
from afanet.comparison.groups import BASE
from afanet.comparison.load import is_overloaded
from afanet.comparison.quantities import COUNT, MEBIBYTES, SECONDS, Units, in_unit
from afanet.comparison.statistics import Change, Spread
from afanet.json_text import to_json
from afanet.outside import short_name
from afanet.plain_text import in_latex, in_markdown, one_line

MARKS = {"better": "▲", "worse": "▼", "same": "≈", ONE_SEED: "○", "": ""}
STYLES = {"better": "green", "worse": "red", "same": "dim", ONE_SEED: "dim", "": "dim"}
COSTS: dict[str, tuple[str, Units, int]] = {
    "parameters": ("parameters", COUNT, 4),
    "flops": ("FLOPs an image", COUNT, 4),
    "step_s": ("step", SECONDS, 3),
    "latency_s": ("one image", SECONDS, 3),
    "memory_mib": ("peak memory", MEBIBYTES, 3),
}
DELTAS = {"by_task": "delta_m by task, % ↑", "by_metric": "delta_m by metric, % ↑"}
LEGEND = "▲ better, ▼ worse than single task beyond the 95 % interval; ≈ no clear difference, or a small one"
ALONE = "○ one seed: no verdict, since another seed may turn the sign"


def terminal_table(comparison: Comparison, width: int) -> Table:
    """A row for each metric, a column for each method: mean ± standard deviation, and the change with its interval.

    If that does not fit into `width` characters, a mark replaces the interval.
    """
    whole = width >= 40 + 32 * len(comparison.rows)
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
        if any(key in row.costs for row in comparison.rows):
            costs = in_unit([row.costs.get(key) for row in comparison.rows], units, digits)
            yield "", label, [(cost, "", "") for cost in costs]


def show_spread(spread: Spread) -> str:
    """`0.4127 ± 0.0021`; only the mean for one seed, a dash for no score."""
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


def footnotes(comparison: Comparison) -> list[str]:
    """What a reader of the table must know."""
    changes = [change for row in comparison.rows for task in row.changes.values() for change in task.values()]
    known = [change for change in changes if not math.isnan(change.mean)]
    over = {change.over: change.count for change in known if not math.isnan(change.low)}
    images = over.get("images", 0)
    sentences = {
        "seeds": "intervals: Student's t over seeds, paired with single task of the same seed",
        "images": f"intervals: bootstrap over the {images} test images, paired; the spread of seeds is not in them",
    }
    seeds = ", ".join(f"{row.title} {len(row.group.runs)}" for row in comparison.rows)
    bases = ", ".join(str(run.folder.path) for row in comparison.rows if row.title == BASE for run in row.group.runs)
    notes = [f"seeds: {seeds}", *(sentences[kind] for kind in sorted(over))]
    if "seeds" in over:
        notes += [LEGEND, comparison.smallest.sentence()]
    if any(change.over != "seeds" or math.isnan(change.low) for change in known):
        notes.append(ALONE)
    if known:
        notes.append(f"single task is {bases}")
    return notes + _load_notes(comparison.rows) + comparison.notes


def _load_notes(rows: Sequence[Row]) -> list[str]:
    """A sentence if costs were measured beside other work."""
    busy = {row.title: row.load for row in rows if is_overloaded(row.load)}
    worst = max(busy.values(), key=lambda load: load.busy / load.cores if load else 0, default=None)
    if worst is None:
        return []
    files = "remove the costs.json of the runs, and compare again on an idle machine"
    return [
        f"costs of {', '.join(busy)} were measured while other work kept up to {worst.busy:.1f} of {worst.cores} cores "
        f"busy, so times are too long: {files}"
    ]


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
    "same": r" $\approx$",
    ONE_SEED: r" $\circ$",
    "": "",
}


def rows_csv(comparison: Comparison) -> str:
    """A line for each method, task and metric."""
    stream = io.StringIO()
    names = ["method", "task", "metric", "seeds", "mean", "sd", "change", "low", "high", "over", "verdict"]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in comparison.rows:
        for task, metrics in row.scores.items():
            for metric, spread in metrics.items():
                change = row.changes.get(task, {}).get(metric)
                moved = [change.mean, change.low, change.high, change.over] if change else [math.nan] * 3 + [""]
                values = [len(spread.values), spread.mean, spread.deviation, *moved]
                shown = [_cell(value) for value in values]
                writer.writerow([row.title, task, metric, *shown, comparison.verdict(row, task, metric)])
    return stream.getvalue()


def _cell(value: str | float) -> str:
    """A cell of a CSV file: six significant digits, nothing for what is no number."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return str(value)


def as_json(comparison: Comparison) -> str:
    """Everything, with null for what is no number."""
    rows = [_row(row) for row in comparison.rows]
    return to_json({"rows": rows, "notes": footnotes(comparison)}, indent=2) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return {
        "title": row.title,
        "method": short_name(row.group.recipe.network.method),
        "seeds": row.group.seeds,
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
        "costs": row.costs,
    }


FORMS = {
    "comparison.md": markdown,
    "comparison.csv": rows_csv,
    "comparison.tex": latex,
    "comparison.json": as_json,
}
