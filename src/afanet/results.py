"""Scores measured with this package, as data: a row for each run, task and metric, from `docs/results`."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from typing import Any

from afanet.errors import unknown

__all__ = ["Score", "choose_results", "mean_and_deviation", "read_results", "results_csv"]


@dataclass(frozen=True)
class Score:
    """A run's score, or the mean over several runs where only the mean was kept.

    `method` is a method, or `ensemble` for the average of two single-task networks a task; `variant` says what
    else differs within a comparison, such as how tasks are balanced. `seeds` has one seed for a run, and `folds` the
    fold that was tested, for data with folds. `better` is `higher` or `lower`; scores have the unit of the metric,
    shares are from 0 to 1. `sd` is the standard deviation between the runs of a mean. `flops` are those of one image,
    `steps` those of training, without those of a first stage; `afanet` is a version or commit. None and the empty text
    stand for what was not kept.
    """

    comparison: str
    data: str
    size: str
    backbone: str
    method: str
    variant: str
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    task: str
    metric: str
    better: str
    score: float
    sd: float | None
    parameters: int | None
    flops: int | None
    steps: int | None
    afanet: str
    torch: str


def read_results() -> list[Score]:
    """All scores, comparison by comparison; the first metric of a task is its main one.

    >>> one, *_ = (score for score in read_results() if score.comparison == "nyuv2-three-tasks")
    >>> one.backbone, one.method, one.seeds, one.task, one.metric
    ('tf_efficientnet_lite0', 'single', (0,), 'segmentation', 'miou')
    """
    text = files("afanet").joinpath("results.csv").read_text(encoding="utf-8")
    return [_score(row) for row in csv.DictReader(io.StringIO(text))]


def _score(row: dict[str, str]) -> Score:
    values: dict[str, Any] = dict(row)
    values |= {name: int(row[name]) if row[name] else None for name in ("parameters", "flops", "steps")}
    values |= {name: tuple(map(int, row[name].split())) for name in ("seeds", "folds")}
    values["score"] = float(row["score"])
    values["sd"] = float(row["sd"]) if row["sd"] else None
    return Score(**values)


def results_csv(scores: Iterable[Score]) -> str:
    """Scores as a CSV table with the fields of `Score` as columns: seeds with spaces between, numbers to six digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [field.name for field in fields(Score)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in asdict(score).items()} for score in scores)
    return stream.getvalue()


def _cell(value: str | float | tuple[int, ...] | None) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def choose_results(
    scores: Iterable[Score], data: str | None = None, method: str | None = None, task: str | None = None
) -> list[Score]:
    """The scores of a data set, a method and a task; None takes all.

    Raises:
        InputError: if a name leaves no score; `data` is applied first, `task` last.

    >>> {score.task for score in choose_results(read_results(), data="adience", method="afa")} == {"age", "gender"}
    True
    """
    chosen = list(scores)
    for field, kind, name in (("data", "data set", data), ("method", "method", method), ("task", "task", task)):
        if name is not None:
            known = dict.fromkeys(getattr(score, field) for score in chosen)
            if name not in known:
                raise unknown(kind, name, known)
            chosen = [score for score in chosen if getattr(score, field) == name]
    return chosen


def mean_and_deviation(scores: Sequence[Score]) -> tuple[float, float | None]:
    """The mean of one metric over runs, and the standard deviation s between them with s² = Σ (x - mean)² / (n - 1).

    If only the mean was kept, the deviation is the one that was kept with it; for a single run it is None.
    """
    if len(scores) == 1:
        return scores[0].score, scores[0].sd
    values = [score.score for score in scores]
    return statistics.mean(values), statistics.stdev(values)
