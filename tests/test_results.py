"""The scores that the package carries: well-formed, those of the packed runs, and those that the page shows."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import afanet.results
from afanet import InputError
from afanet.results import Score, choose_results, mean_and_deviation, read_results, results_csv
from afanet.tasks import Classification, Depth, Edges, Normals, Segmentation

DOCS = Path(__file__).parents[1] / "docs"
COPY = Path(afanet.results.__file__).with_suffix(".csv")
SCORES = read_results()
KINDS = (
    Edges(),
    Segmentation(["bed", "wall"]),
    Depth(),
    Normals(),
    Classification("gender", ["f", "m"]),
    Classification("age", ["young", "old"], ordinal=True),
)


def test_the_package_carries_those_of_the_docs() -> None:
    assert COPY.read_bytes() == (DOCS / "results/scores.csv").read_bytes(), "run benchmarks/scores.py"


def test_they_are_written_as_they_are_read() -> None:
    assert results_csv(SCORES) == COPY.read_text(encoding="utf-8")


def test_every_method_of_a_comparison_has_each_metric_of_each_seed_once() -> None:
    seen = defaultdict(list)
    for score in SCORES:
        seen[score.comparison, score.task, score.metric].append(_run(score))
    for (comparison, *_), rows in seen.items():
        assert len(rows) == len(set(rows)), comparison
        assert set(rows) == {_run(score) for score in SCORES if score.comparison == comparison}


def _run(score: Score) -> tuple[object, ...]:
    return score.method, score.variant, score.seeds, score.folds


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.name)
def test_metrics_are_those_of_the_kind_and_the_main_one_is_first(task: Classification) -> None:
    better = {score.metric: score.better for score in choose_results(SCORES, task=task.name)}
    assert next(iter(better)) == task.main_metric
    assert all(better[name] == ("higher" if task.higher_is_better[name] else "lower") for name in better)


def test_one_run_has_no_deviation_and_a_kept_mean_its_own() -> None:
    assert mean_and_deviation([replace(SCORES[0], score=0.5, sd=None)]) == (0.5, None)
    assert mean_and_deviation([replace(SCORES[0], score=0.5, sd=0.1)]) == (0.5, 0.1)
    values = [0.5, 0.75, 0.125]
    runs = [replace(SCORES[0], score=value) for value in values]
    assert mean_and_deviation(runs) == pytest.approx((np.mean(values), np.std(values, ddof=1)))


def test_a_choice_is_by_all_that_is_given() -> None:
    chosen = choose_results(SCORES, data="nyuv2", method="hard", task="normals")
    assert chosen == [s for s in SCORES if (s.data, s.method, s.task) == ("nyuv2", "hard", "normals")] != []
    with pytest.raises(InputError, match=r"unknown method 'ndr', did you mean 'nddr'\? \(known: single, "):
        choose_results(SCORES, method="ndr")
    with pytest.raises(InputError, match=r"unknown task 'depth'.* \(known: gender, age\)"):
        choose_results(SCORES, data="adience", task="depth")


# On the page: where a comparison is, and what it calls methods, variants and metrics.
SECTIONS = {
    "nyuv2-two-tasks": "## Does sharing help?",
    "nyuv2-three-tasks": "### With normals as",
    "nyuv2-six-methods": "## Six methods",
    "nyuv2-ablations": "## AFA taken apart",
    "nyuv2-balancing": "## Balancing AFA",
    "faces": "## Faces",
    "faces-lite0": "### Faces, five folds",
    "faces-resnet18": "### Faces with ResNet-18",
    "nyuv2-afa-apart": "### AFA in parts",
    "nyuv2-four-tasks": "## Four tasks on NYUv2",
    "nyuv2-small": "### The scores of one network",
}
METHODS = {
    "single task": "single",
    "single task (itself)": "single",
    "cross-stitch": "cross_stitch",
    "NDDR": "nddr",
    "MTAN": "mtan",
    "AFA": "afa",
    "AFA as it is": "afa",
    "AFA, alive": "afa, alive",
    "two single-task networks averaged": "ensemble",
    "CAM alone": "afa_channel",
    "SAM alone": "afa_spatial",
    "gates of each task's own": "afa, per-task",
    "meeting after each stage": "afa, stages",
    "meeting after each block": "afa, blocks",
    "one trunk up to stage 1": "afa, trunk-1",
    "one trunk up to stage 2": "afa, trunk-2",
    "one trunk up to stage 3": "afa, trunk-3",
    "with the gradient guard (2)": "afa, guard",
    "begun with single-task networks": "afa, warm",
} | {name: f"afa, {name}" for name in ("equal", "dwa", "uw", "cagrad", "nash-mtl")}
METRICS = {
    "mIoU": "segmentation miou",
    "pixel accuracy": "segmentation pixel_accuracy",
    "pixel acc.": "segmentation pixel_accuracy",
    "class accuracy": "segmentation class_accuracy",
    "frequency-weighted IoU": "segmentation fw_iou",
    "absolute error": "depth abs",
    "absolute error of depth": "depth abs",
    "abs. error": "depth abs",
    "relative error": "depth rel",
    "rel.": "depth rel",
    "squared relative error": "depth sq_rel",
    "log10": "depth log10",
    "RMSE": "depth rmse",
    "RMSE of ln": "depth rmse_ln",
    "RMSE of log10": "depth rmse_log10",
    "delta < 1.25": "depth delta1",
    "delta < 1.25²": "depth delta2",
    "delta < 1.25³": "depth delta3",
    "mean angle of normals": "normals mean",
    "odsF of edges": "edges odsf",
    "gender accuracy": "gender accuracy",
    "gender macro F1": "gender macro_f1",
    "age accuracy": "age accuracy",
    "age macro F1": "age macro_f1",
    "age one-off": "age one_off",
    "parameters": "parameters",
    "GFLOPs an image": "flops",
}
UNITS = {"parameters": 1e-6, "flops": 1e-9}


def shown(section: str) -> dict[tuple[str, str], str]:
    """The first table of a section: its cells by method and metric, whichever of them the rows are."""
    text = (DOCS / "results.md").read_text(encoding="utf-8").partition(f"\n{section}")[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()]
    cells = {}
    for row in rows:
        for column, cell in zip(head[1:], row[1:], strict=True):
            pair = (row[0], column) if _metric(column) else (column, row[0])
            method, metric = METHODS.get(pair[0].strip("`"), pair[0].strip("`")), _metric(pair[1])
            if metric and not cell.startswith(("+", "-")):  # a change against single task
                cells[method, metric] = f"{cell} %" if "%" in pair[1] else cell
    return cells


def _metric(label: str) -> str | None:
    return METRICS.get(re.split(r",| [↑↓]", label)[0])


def of_csv(scores: list[Score], metric: str) -> tuple[float, float | None]:
    if metric in UNITS:
        return getattr(scores[0], metric) * UNITS[metric], None
    return mean_and_deviation([score for score in scores if f"{score.task} {score.metric}" == metric])


@pytest.mark.parametrize("comparison", SECTIONS)
def test_the_page_shows_the_same(comparison: str) -> None:
    methods = defaultdict(list)
    for score in SCORES:
        if score.comparison == comparison:
            methods[f"{score.method}, {score.variant}".rstrip(", ")].append(score)
    cells = shown(SECTIONS[comparison])
    only_changes = comparison in (
        "nyuv2-three-tasks",
        "nyuv2-afa-apart",
        "nyuv2-four-tasks",
        "nyuv2-small",
    )  # but for single task
    assert {method for method, _ in cells} == ({"single"} if only_changes else set(methods))
    for (method, metric), cell in cells.items():
        for text, value in zip(re.findall(r"[\d.]+", cell), of_csv(methods[method], metric), strict=False):
            assert value is not None
            expected = 100 * value if "%" in cell else value
            assert float(text) == pytest.approx(expected, abs=0.51 * 10 ** -len(text.partition(".")[2])), cell
