"""Missing scores: an error for a run that lacks one that others have, and notes on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path

from afanet.comparison.groups import Group
from afanet.comparison.resampling import Draw, name_draws, several_folds
from afanet.comparison.rows import Seen
from afanet.errors import InputError
from afanet.runs.run import Run
from afanet.tasks import Described

FEW = 30  # with fewer test images, a comparison says how few there are


def require_scores(runs: Sequence[Run], tasks: Mapping[str, Described]) -> None:
    """Raise `InputError` for a run without the main metric of a task that another run has on the same test images.

    The labels are the same for all runs, so the outputs of that run were not finite.
    """
    folds = {Draw.of(run.recipe).fold for run in runs}
    for (name, task), fold in product(tasks.items(), folds):
        of_fold = [run for run in runs if Draw.of(run.recipe).fold == fold]
        scores = [run.score(name, task.main_metric) for run in of_fold]
        if None in scores and (known := [run for run, score in zip(of_fold, scores, strict=True) if score is not None]):
            bad, good = of_fold[scores.index(None)].path, known[0].path
            raise InputError(
                f"{bad} has no {task.main_metric} of task '{name}', but {good} has one on the same images, so the "
                "outputs of the former were not finite: train it again with a lower optimizer.lr, or leave it out"
            )


def require_same_images(seen: Mapping[Path, Seen]) -> None:
    """Raise `InputError` for runs whose image scores are for different images: the data have changed in between."""
    first = next(iter(seen), None)
    if other := next((run for run in seen if first and seen[run].labels != seen[first].labels), None):
        raise InputError(
            f"{first} and {other} have scores for different test images, so the data have changed in between: remove "
            "images.npz in both, then the images are predicted again"
        )


def gap_notes(groups: Sequence[Group], tasks: Mapping[str, Described], unscored: Mapping[str, str]) -> list[str]:
    """A sentence for each task without a score, and for each other metric that is not a number in some runs.

    `unscored` says, by task, why no run has scores.
    """
    notes = []
    runs = [(group, run) for group in groups for run in group.runs]
    over = "runs" if any(several_folds(group.draws) for group in groups) else "seeds"
    for name, task in tasks.items():
        if all(run.score(name, task.main_metric) is None for _, run in runs):
            reason = unscored.get(name, "the test split has no label of it, or no outputs were finite")
            notes.append(f"{name} has no score in any run (-): {reason}")
            continue
        for metric in task.higher_is_better:
            bare = [(group.title, Draw.of(run.recipe)) for group, run in runs if run.score(name, metric) is None]
            if len(bare) == len(runs):
                notes.append(f"{name} {metric} has no value in any run (-): the test labels leave it undefined")
            elif bare:
                where = ", ".join(f"{title} {name_draws([draw])}" for title, draw in bare)
                notes.append(
                    f"{name} {metric} has no value in {where}, so it has no mean (-); changes are over the other {over}"
                )
    return notes


def constant_notes(groups: Sequence[Group], seen: Mapping[Path, Seen]) -> list[str]:
    """A sentence for each task in which all networks of a method give one class to everything."""
    answers = {group.title: [seen[run.path].only if run.path in seen else {} for run in group.runs] for group in groups}
    notes = []
    for name in dict.fromkeys(task for runs in answers.values() for only in runs for task in only):
        titles = [title for title, runs in answers.items() if all(name in only for only in runs)]
        if titles:
            classes = sorted({only[name] for title in titles for only in answers[title]})
            says = f"every network of {', '.join(titles)} answers {' or '.join(classes)} everywhere"
            notes.append(f"{name}: {says}, so its scores say nothing of sharing: train longer, or weight rare classes")
    return notes


def image_notes(counts: Iterable[int]) -> list[str]:
    """A sentence if the scores are over few images; empty if single images were not scored."""
    return [
        f"{count} test image{'s'[: count != 1]} only: other images may give other scores"
        for count in counts
        if count < FEW
    ]
