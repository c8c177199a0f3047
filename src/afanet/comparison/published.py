"""Scores that papers report on the field's dense benchmarks, beside those of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from afanet.comparison.compare import Comparison
from afanet.comparison.delta import relative_gain
from afanet.comparison.groups import BASE


@dataclass(frozen=True)
class Benchmark:
    """A data set with the metric that papers report for each task, and the reported scores, in the same order.

    `scores` are as published: `PERCENT` metrics in per cent.
    """

    name: str
    data: str
    classes: int
    metrics: Mapping[str, str]
    scores: Mapping[str, tuple[float, ...]]


PERCENT = ("miou", "max_f", "odsf")
# From the READMEs of InvPT and TaskPrompter, github.com/prismformore/Multi-Task-Transformer.
BENCHMARKS = (
    Benchmark(
        "NYUD-v2",
        "nyuv2",
        40,
        {"segmentation": "miou", "depth": "rmse", "normals": "mean", "edges": "odsf"},
        {
            "ATRC (ICCV 2021)": (46.33, 0.5363, 20.18, 77.94),
            "InvPT (ViT-L, ECCV 2022)": (53.56, 0.5183, 19.04, 78.10),
            "TaskPrompter (ViT-L, ICLR 2023)": (55.90, 0.5062, 18.58, 77.70),
        },
    ),
    Benchmark(
        "PASCAL-Context",
        "pascal",
        21,
        {"segmentation": "miou", "human_parts": "miou", "saliency": "max_f", "normals": "mean", "edges": "odsf"},
        {
            "ATRC (ICCV 2021)": (67.67, 62.93, 82.29, 14.24, 72.42),
            "InvPT (ViT-L, ECCV 2022)": (79.03, 67.61, 84.81, 14.15, 73.00),
            "TaskPrompter (ViT-L, ICLR 2023)": (80.79, 68.81, 84.26, 13.58, 73.80),
        },
    ),
)


def published_notes(comparison: Comparison) -> list[str]:
    """delta_m over one metric for each task, as in papers, for every method and for published scores.

    With M_t the metric of task t, B_t that of single task here, and l_t = 1 where lower is better, else 0, delta_m is
    the mean over tasks of (-1)^l_t (M_t - B_t) / B_t (Maninis et al., CVPR 2019). There are no notes for other data or
    tasks, against another baseline than single task, or if delta_m is not a number.
    """
    benchmark = next((benchmark for benchmark in BENCHMARKS if _is_of(comparison, benchmark)), None)
    base = comparison.base
    if benchmark is None or base is None or base.title != BASE:
        return []
    metrics = benchmark.metrics

    def delta(scores: Mapping[str, float]) -> float:
        gains = [
            relative_gain(scores[task], base.scores[task][metric].mean, comparison.tasks[task].higher_is_better[metric])
            for task, metric in metrics.items()
        ]
        return sum(gains) / len(gains)

    ours = {row.title: {task: row.scores[task][of].mean for task, of in metrics.items()} for row in comparison.rows}
    gains = {title: delta(scores) for title, scores in ours.items() if title != base.title}
    if math.isnan(delta(ours[base.title])):
        return []
    theirs = []
    for title, scores in benchmark.scores.items():
        parts = zip(metrics.items(), scores, strict=True)
        plain = {task: score / 100 if metric in PERCENT else score for (task, metric), score in parts}
        theirs.append(f"{title} {', '.join(f'{score:g}' for score in scores)}: {delta(plain):+.2f} %")
    named = ", ".join(f"{task} {metric}" for task, metric in metrics.items())
    return [
        f"delta_m over one metric for each task, as in papers on {benchmark.name} ({named}): "
        + (", ".join(f"{title} {gain:+.2f} %" for title, gain in gains.items()) or "no method beside single task"),
        f"published on {benchmark.name}, in this order, and its delta_m over the single task here, which has another "
        f"backbone and training: {'; '.join(theirs)}",
    ]


def _is_of(comparison: Comparison, benchmark: Benchmark) -> bool:
    """Whether the runs have this data set, its classes and at least its tasks."""
    tasks = comparison.tasks
    return (
        comparison.rows[0].group.recipe.data.name == benchmark.data
        and all(task in tasks and of in tasks[task].higher_is_better for task, of in benchmark.metrics.items())
        and len(tasks["segmentation"].meaning.get("classes", ())) == benchmark.classes
    )
