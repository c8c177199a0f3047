"""Sentences about the labels of a data set, from its statistics: errors that prevent training, and warnings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from afanet.data.sample import Data
from afanet.tasks import Task


def label_findings(
    data: Data, splits: Mapping[str, Mapping[str, Any]], tasks: Collection[str], taught: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """Errors and warnings about the labels of `tasks`, from the statistics of each split (see `SplitSums`).

    A task without a label in the training split is an error, unless the task is `taught` by another network. Warnings
    are: a class that has no label in a split, a task that has no label in another split, and what `Task.doubt` says. If
    only some samples of a split were read, nothing is reported as absent from it.

    >>> from afanet.data import open_data
    >>> data = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    >>> unlabelled = {"images": 2, "tasks": {"depth": {"labelled": 0}}}
    >>> label_findings(data, {"train": unlabelled, "test": unlabelled}, ["depth"])[1]
    ['split test has no label for depth']
    """
    errors, warnings = [], []
    for split, statistics in splits.items():
        read = statistics["images"]
        for name in tasks if read else ():
            of_task = statistics["tasks"][name]
            remedy = data.remedies.get(name, "")
            if of_task["labelled"]:
                warnings += _odd(split, data.tasks[name], of_task, remedy, whole="unread" not in statistics)
            elif "unread" in statistics:
                warnings.append(f"the {read} samples that were read of split {split} have no label for {name}")
            elif split == "train" and name in taught:
                warnings.append(f"split train has no label for {name}: it learns from its teacher alone")
            elif split == "train":
                why = f" ({remedy})" if remedy and of_task.get("blank") else ""
                errors.append(
                    f"split train has no label for {name}, so that it cannot be learnt{why}: label some of its images, "
                    "or leave the task out with `tasks`"
                )
            else:
                warnings.append(f"split {split} has no label for {name}")
    return errors, warnings


def _odd(split: str, task: Task, statistics: Mapping[str, Any], remedy: str, whole: bool) -> list[str]:
    doubt = task.doubt(statistics)
    absent = [name for name, count in statistics.get("counts", {}).items() if not count] if whole else []
    if not absent:
        return [f"split {split}, {task.name}: {doubt}" + (f": {remedy}" if remedy else "")] if doubt else []
    sentence = f"split {split} has no {task.name} of class {', '.join(absent)}" + (f": {doubt}" if doubt else "")
    share = statistics["labelled_share"]
    if split == "train" and share < 1 and remedy:
        sentence += f"; {1 - share:.1%} of the pixels are void, and {remedy}"
    return [sentence]
