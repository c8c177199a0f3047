"""What papers report, beside scores that are made up."""

from __future__ import annotations

import re

import numpy as np
import pytest

from afanet.comparison.compare import compare_runs
from afanet.comparison.published import BENCHMARKS, Benchmark, published_notes
from afanet.data.sets.nyuv2.classes import class_names
from afanet.data.sets.pascal.pascal import CLASSES
from afanet.tasks import Depth, Edges, HumanParts, Normals, Saliency, Segmentation, Task

from ..finished import Make

TASKS: dict[str, dict[str, Task]] = {
    "nyuv2": {
        "segmentation": Segmentation(class_names(40)),
        "depth": Depth(),
        "normals": Normals(),
        "edges": Edges(),
    },
    "pascal": {
        "segmentation": Segmentation(CLASSES),
        "human_parts": HumanParts(),
        "saliency": Saliency(),
        "normals": Normals(),
        "edges": Edges(),
    },
}


def made_up(data: str, factor: float) -> dict[str, dict[str, float]]:
    return {
        name: {metric: 0.5 * factor ** (1 if higher else -1) for metric, higher in task.higher_is_better.items()}
        for name, task in TASKS[data].items()
    }


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_delta_m_is_the_mean_of_one_relative_change_a_task(finished: Make, benchmark: Benchmark) -> None:
    data = benchmark.data
    keys = {"data.name": data, "data.options": {}}
    runs = [finished("single", 0, made_up(data, 1.0), keys=keys), finished("hard", 0, made_up(data, 1.1), keys=keys)]
    ours, theirs = published_notes(compare_runs(runs, TASKS[data]))
    higher = [TASKS[data][task].higher_is_better[metric] for task, metric in benchmark.metrics.items()]
    expected = 100 * np.mean([0.1 if up else 1 - 1 / 1.1 for up in higher])
    assert f"hard {expected:+.2f} %" in ours
    for title, scores in benchmark.scores.items():
        plain = np.array([score / 100 if up else score for score, up in zip(scores, higher, strict=True)])
        gain = 100 * np.mean(np.where(higher, 1, -1) * (plain - 0.5) / 0.5)
        said = re.search(re.escape(title) + r" [\d., ]+: ([+-][\d.]+) %", theirs)
        assert said is not None
        assert float(said[1]) == pytest.approx(gain, abs=0.006)


def test_of_other_classes_data_or_tasks_and_without_single_task_nothing_is_said(finished: Make) -> None:
    scores = made_up("nyuv2", 1.0)
    keys = {"data.name": "nyuv2", "data.options": {}}
    both = [finished(method, 0, scores, keys=keys) for method in ("single", "hard")]
    assert len(published_notes(compare_runs(both, TASKS["nyuv2"]))) == 2
    assert not published_notes(compare_runs(both[1:], TASKS["nyuv2"]))
    coarse = TASKS["nyuv2"] | {"segmentation": Segmentation(class_names(13))}
    assert not published_notes(compare_runs(both, coarse))
    fewer = {name: task for name, task in TASKS["nyuv2"].items() if name != "edges"}
    assert not published_notes(compare_runs(both, fewer))
    others = [finished(method, 0, scores, keys=keys | {"data.name": "pascal"}) for method in ("single", "hard")]
    assert not published_notes(compare_runs(others, TASKS["nyuv2"]))
