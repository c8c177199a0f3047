"""Runs side by side: scores with their spread, and changes against a baseline with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from afanet.comparison.budget import budget_notes
from afanet.comparison.delta import delta_notes
from afanet.comparison.gaps import constant_notes, gap_notes, image_notes, require_same_images, require_scores
from afanet.comparison.groups import BASE, Group, base_of, group_runs, in_words
from afanet.comparison.holm import holm
from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw, name_draws, several_folds
from afanet.comparison.rows import Row, Seen, ensemble_row, method_row
from afanet.comparison.smallest import Smallest
from afanet.runs.run import Run
from afanet.tasks import Described

Looked = Mapping[Path, Mapping[str, ImageScores]]  # by the run's folder and task
ONE_SEED = "one seed"
EXPLORATORY = " (exploratory)"  # after a verdict that is not corrected for the number of scores
SURE = 0.05  # of a corrected p-value
FEWEST = 3  # seeds or folds that confirm a change


@dataclass(frozen=True)
class Comparison:
    """Rows by method, over the same tasks and the same test split; `notes` has further notes for the reader.

    `images` is the number of test images, 0 if single images were not scored. `baseline` is the title of the row that
    the others are compared with; nothing is compared if there is no such row.
    """

    tasks: Mapping[str, Described]
    rows: list[Row]
    notes: list[str]
    smallest: Smallest = field(default_factory=Smallest)
    images: int = 0
    baseline: str = BASE

    @property
    def base(self) -> Row | None:
        """The row of the baseline."""
        return next((row for row in self.rows if row.title == self.baseline), None)

    @property
    def against(self) -> str:
        """What sentences call the baseline: `single task`, or its title."""
        return in_words(self.baseline)

    def smallest_change(self, task: str, metric: str) -> float:
        """The smallest change of a metric that deserves a colour, from the baseline's mean score."""
        assert self.base is not None
        known = [score for score in self.base.scores[task][metric].values if not math.isnan(score)]
        return self.smallest.of(task, metric, sum(known) / max(1, len(known)))

    def verdict(self, row: Row, task: str, metric: str) -> str:
        """`better` or `worse` than the baseline, or `same`; `one seed` without an interval over seeds or folds.

        `better` and `worse` are for the main metric of a task whose p-value is below 0.05 after Holm's correction.
        Followed by ` (exploratory)`, they mean that the interval excludes zero, without correction, or with fewer than
        three seeds or folds, whose intervals are too often too short. A change below the smallest that deserves a
        colour is `same`. Without a change the verdict is empty.
        """
        change = row.changes.get(task, {}).get(metric)
        if change is None or math.isnan(change.mean):
            return ""
        if change.over == "images" or math.isnan(change.low):
            return ONE_SEED
        if abs(change.mean) < self.smallest_change(task, metric):
            return "same"
        verdict = change.verdict(self.tasks[task].higher_is_better[metric])
        sure = change.p_holm < SURE and change.count >= FEWEST
        return verdict if verdict == "same" or sure else verdict + EXPLORATORY

    def delta_verdict(self, row: Row) -> str:
        """The verdict on delta_m by task, always exploratory; `thin` if it rests on too little for a verdict."""
        change = row.delta_m.get("by_task")
        if change is None or math.isnan(change.mean):
            return ""
        if math.isnan(change.low):
            return ONE_SEED
        if not row.delta.whole:
            return "thin"
        verdict = "same" if abs(change.mean) < self.smallest.delta else change.verdict(higher_is_better=True)
        return verdict if verdict == "same" else verdict + EXPLORATORY


def compare_runs(
    runs: Sequence[Run],
    tasks: Mapping[str, Described],
    looked: Looked | None = None,
    notes: Sequence[str] = (),
    smallest: Smallest | None = None,
    ensemble: Mapping[Draw, Mapping[str, ImageScores]] | None = None,
    baseline: str = BASE,
) -> Comparison:
    """Compare finished runs.

    If a method and the baseline have at least two folds in common, intervals are over folds (Student's, paired). Else,
    with at least two seeds, they are over seeds and images, or over seeds alone if `looked` lacks one of the runs. With
    one seed they are over the images. The p-values of the main metrics are corrected for their number by Holm's method.

    Args:
        runs: runs of one protocol, with or without single task.
        tasks: all tasks of the runs.
        looked: the image scores of runs by their folder, each read a few times; with several folds, those of the first
            run of each method.
        notes: the first notes of the comparison.
        smallest: the smallest changes that deserve a colour.
        ensemble: the image scores of an ensemble of single-task networks, for the fold and seed of each single-task run
            that it is compared with; the ensemble gets its own row.
        baseline: the method that all others are compared with: the title of its row, or the name of its folders before
            `-seed`.

    A task whose test labels have only one class has no scores. Raises `InputError` for runs that cannot be compared,
    for image scores of different images, for a run without a score that the others have, and for a baseline of which
    there is no run.
    """
    looked = looked or {}
    seen = {run.path: Seen.of(scores) for run in runs if (scores := looked.get(run.path)) is not None}
    require_same_images(seen)
    unscored = _unscored(runs, seen)
    runs = [_without_scores(run, list(unscored)) for run in runs]
    groups = group_runs(runs, baseline)
    require_scores(runs, tasks)
    base = base_of(groups, baseline)
    rows = [method_row(group, base, tasks, looked, seen, list(unscored)) for group in groups]
    notes = [*notes, *budget_notes(groups, {row.title: row.budget for row in rows})]
    if ensemble and base:
        rows.append(ensemble_row(ensemble, base, tasks, seen, list(unscored)))
    rows = _corrected(rows, tasks)
    images = {of_run.images for of_run in seen.values()}
    notes = [*notes, *_draw_notes(groups, base), *image_notes(images), *gap_notes(groups, tasks, unscored)]
    notes += constant_notes(groups, seen)
    notes += delta_notes({row.title: row.delta for row in rows})
    return Comparison(
        tasks, rows, notes, smallest or Smallest(), max(images, default=0), base.title if base else baseline
    )


def _unscored(runs: Sequence[Run], seen: Mapping[Path, Seen]) -> dict[str, str]:
    """Why a task has no scores on this test split, by task, according to a run or to the labels."""
    reasons = {task: reason for run in runs for task, reason in run.unscored.items()}
    for of_run in seen.values():
        reasons |= of_run.unscorable
    return reasons


def _without_scores(run: Run, tasks: Sequence[str]) -> Run:
    """The run without its scores of `tasks`; older runs have numbers there."""
    scores = {name: dict.fromkeys(of_task) if name in tasks else of_task for name, of_task in run.scores.items()}
    return replace(run, results=run.results | {"tasks": scores})


def _corrected(rows: Sequence[Row], tasks: Mapping[str, Described]) -> list[Row]:
    """The rows, with the p-values of all main metrics' changes corrected together."""
    mains = [(row, name, tasks[name].main_metric) for row in rows for name in row.changes]
    corrected = iter(holm([row.changes[name][metric].p for row, name, metric in mains]))
    done = []
    for row in rows:
        changes = {}
        for name, of_task in row.changes.items():
            main = tasks[name].main_metric
            changes[name] = of_task | {main: replace(of_task[main], p_holm=next(corrected))}
        done.append(replace(row, changes=changes))
    return done


def _draw_notes(groups: Sequence[Group], base: Group | None) -> list[str]:
    """Sentences on a missing baseline, on few seeds or folds, and on draws that methods do not share."""
    notes = []
    if base is None:
        notes.append("no run uses the method single, so nothing is compared with single task")
    folded = any(several_folds(group.draws) for group in groups)
    if min(len({draw.fold if folded else draw.seed for draw in group.draws}) for group in groups) < FEWEST:
        over = "folds" if folded else "seeds"
        notes.append(f"fewer than three {over}: these scores do not rank the methods, and confirm no change")
    for group in groups:
        if base and group.draws != base.draws:
            notes.append(
                f"{group.title} has {name_draws(group.draws)}, {base.title} has {name_draws(base.draws)}: only pairs "
                "in common are compared"
            )
    return notes
