"""The report: one HTML file that opens from disk and shows in ten seconds whether sharing helped."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.comparison import tables
from afanet.comparison.answer import answers, headline
from afanet.comparison.compare import EXPLORATORY, Comparison
from afanet.comparison.gaps import FEW
from afanet.comparison.groups import BASE
from afanet.comparison.images import Look
from afanet.comparison.rows import ENSEMBLE, Row
from afanet.errors import InputError
from afanet.files import read_text
from afanet.json_text import to_json
from afanet.recipe.load import dump_recipe
from afanet.report import charts
from afanet.report.connections import section
from afanet.report.examine import Examination, Examined
from afanet.report.flows import MANY
from afanet.report.gallery import gallery
from afanet.report.overview import overview
from afanet.report.template import render
from afanet.tasks import ColourBar, DenseTask, Swatches, Task

Line = tuple[str, str, list[tuple[str, str, str]]]  # as `tables.lines` yields it
VERDICTS = {  # on delta_m, in the chart
    f"better{EXPLORATORY}": "better, exploratory",
    f"worse{EXPLORATORY}": "worse, exploratory",
    "same": "no clear difference",
}


def report_page(comparison: Comparison, examination: Examination | None = None) -> str:
    """The page of a comparison, with pictures, details and flows from an examination of its methods."""
    ink = charts.colours([row.title for row in comparison.rows])
    shown = examination.methods if examination else {}
    lines, folded = _score_lines(comparison)
    sharing = comparison.baseline == BASE
    return render(
        "report_page.html",
        title=comparison.rows[0].group.recipe.name,
        describe=comparison.rows[0].group.runs[0].results.get("data", ""),
        headline=headline(comparison),
        answers=answers(comparison),
        overview=overview(comparison) if len(comparison.tasks) <= MANY else None,
        titles=[row.title for row in comparison.rows],
        lines=lines,
        folded=folded,
        marks=tables.MARKS,
        hints=tables.HINTS,
        notes=tables.footnotes(comparison),
        summary=_summary(comparison, ink),
        curves=_curves(comparison, ink),
        details=_details(examination.tasks, {title: of.look for title, of in shown.items()}, ink, comparison.baseline)
        if examination
        else [],
        # without "<", the text cannot end the script
        gallery=to_json(gallery(examination)).replace("<", "\\u003c") if examination else "",
        sorts=any(examined.gains for examined in shown.values()),
        legends=_legends(examination.tasks) if examination else [],
        connections=_connections(comparison, shown),
        few=FEW,
        base=comparison.baseline,
        question="Did sharing help?" if sharing else f"Better than {comparison.baseline}?",
        helped="helped" if sharing else "better",
        hurt="hurt" if sharing else "worse",
        recipes=[
            (row.title, str(row.group.runs[0].folder.path), dump_recipe(row.group.recipe))
            for row in _trained(comparison)
        ],
    )


def _connections(comparison: Comparison, shown: Mapping[str, Examined]) -> list[tuple[Any, ...]]:
    """For each method whose tasks meet: its title, the images, what is missing, and the section of its connections."""
    return [
        (title, found.images, found.total, found.lacking, section(found.readings, found.cuts, comparison.tasks))
        for title, examined in shown.items()
        if (found := examined.connections)
    ]


def _trained(comparison: Comparison) -> list[Row]:
    """The rows of runs, without the row of an ensemble."""
    return [row for row in comparison.rows if row.title != ENSEMBLE]


def _score_lines(comparison: Comparison) -> tuple[list[Line], list[tuple[str, list[Line], Counter[str]]]]:
    """The rows of the table: the first row of each task and the costs; and the other rows by task, with verdicts."""
    rest = list(tables.lines(comparison))
    shown, folded = [], []
    for name, task in comparison.tasks.items():
        count = len(task.higher_is_better)
        (main, *others), rest = rest[:count], rest[count:]
        shown.append(main)
        if others:
            others[0] = name, *others[0][1:]
            folded.append((name, others, Counter(verdict for _, _, cells in others for *_, verdict in cells)))
    return shown + rest, folded


def _summary(comparison: Comparison, ink: Mapping[str, str]) -> list[str]:
    rows = {row.title: row for row in comparison.rows}
    deltas = {title: row.delta_m["by_task"] for title, row in rows.items() if row.delta_m}
    if not deltas:
        return []
    gained = {
        title: deltas[title].mean if title in deltas else 0.0
        for title in rows
        if title in deltas or title == comparison.baseline
    }
    price = {title: rows[title].costs["flops"] / 1e9 for title in gained}
    words = {title: VERDICTS.get(comparison.delta_verdict(rows[title]), "no verdict") for title in deltas}
    pictures = [charts.forest(deltas, words, ink, "delta_m by task, % (right is better),\nand its 95 % interval")]
    return [*pictures, charts.scatter({t: (price[t], gained[t]) for t in gained}, ink, "GFLOPs an image", "delta_m, %")]


def _curves(comparison: Comparison, ink: Mapping[str, str]) -> list[str]:
    """Losses, gradient cosines and guard rates by epoch, a chart for each such column of the runs' logs."""
    logs = {row.title: [_log(run.folder.log) for run in row.group.runs] for row in _trained(comparison)}
    columns = dict.fromkeys(column for runs in logs.values() for column in runs[0])
    drawn = []
    for column in columns:
        if not column.startswith(("loss/", "validation/", "cosine/", "guard/")):
            continue
        series: dict[str, charts.Line] = {}
        for title, runs in logs.items():
            if all(column in log for log in runs):
                epochs = min(len(log[column]) for log in runs)
                series[title] = (runs[0]["epoch"][:epochs], np.array([log[column][:epochs] for log in runs]))
        if series:
            drawn.append(charts.lines(series, ink, column.replace("/", " ")))
    return drawn


def _log(file: Path) -> dict[str, list[float]]:
    if not file.is_file():
        return {}
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(file))))
        return {key: [float(row[key] or "nan") for row in rows] for key in rows[0]} if rows else {}
    except InputError:
        raise
    except (OSError, ValueError, TypeError, csv.Error):
        raise InputError(f"{file} is not the log that train wrote: restore it, or remove it") from None


def _details(
    tasks: Mapping[str, Task], looks: Mapping[str, Look], ink: Mapping[str, str], baseline: str
) -> list[tuple[str, list[str]]]:
    """By task: the error by distance, the change of each class, and the confusion matrix of each method."""
    details = []
    for name, task in tasks.items():
        drawn = []
        if isinstance(task, DenseTask) and (bins := task.bins):
            centres = (np.arange(len(bins)) + 0.5) * bins.most / len(bins)
            series: dict[str, charts.Line] = {}
            for title, seen in looks.items():
                errors, pixels = seen.binned[name].numpy()
                known = pixels > 0
                series[title] = (centres[known].tolist(), (errors[known] / pixels[known])[None])
            drawn.append(charts.lines(series, ink, bins.title, bins.axis))
        if task.names and all(seen.scores[name].has("confmat") for seen in looks.values()):
            matrices = {title: seen.scores[name].sums("confmat").double().numpy() for title, seen in looks.items()}
            if any(matrix.ndim != 2 for matrix in matrices.values()):
                continue  # several labels have a small matrix each, which adds nothing to the scores
            if baseline in matrices and len(matrices) > 1:
                ious = {title: _ious(matrix) for title, matrix in matrices.items()}
                moved = {
                    title: dict(zip(task.names, np.nan_to_num(100 * (iou - ious[baseline])), strict=True))
                    for title, iou in ious.items()
                    if title != baseline
                }
                drawn.append(charts.bars(moved, task.names, ink, f"change of IoU against {baseline}, points"))
            drawn += [charts.confusion(matrix, task.names, title) for title, matrix in matrices.items()]
        if drawn:
            details.append((name, drawn))
    return details


def _ious(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    together = confusion.sum(0) + confusion.sum(1) - confusion.diagonal()
    return np.where(together > 0, confusion.diagonal() / np.maximum(together, 1), math.nan)


def _legends(tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    legends: list[dict[str, Any]] = []
    for name, task in tasks.items():
        if not isinstance(task, DenseTask):
            continue
        counted = isinstance(task.legend, Swatches) and task.error_limit == 1  # an error is wrong or right
        limit = task.error_unit if counted else f"{task.error_limit:g} {task.error_unit}".rstrip()
        entry: dict[str, Any] = {"task": name, "error": limit}
        match task.legend:
            case Swatches(names, shades):
                entry["classes"] = list(
                    zip(names, ("#" + bytes(shade.tolist()).hex() for shade in shades), strict=True)
                )
            case ColourBar(shades, low, high, unit):
                stops = [f"#{bytes(shade.tolist()).hex()}" for shade in shades[:: max(1, len(shades) // 8)]]
                spans = type(task).drawn_over is not DenseTask.drawn_over  # the range of each image by itself
                where = [unit, "in this image"] if spans else [unit]
                entry |= {"stops": ", ".join(stops), "low": f"{low:g}", "high": f"{high:g}", "of": " ".join(where)}
        legends.append(entry)
    return legends
