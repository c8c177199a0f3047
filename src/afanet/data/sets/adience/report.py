"""Statistics of Adience's fold files, with or without the photos: counts by fold, class and policy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args

from afanet.data.checks.leaks import shared_groups
from afanet.data.checks.survey import Survey
from afanet.data.sets.adience.adience import GENDERS
from afanet.data.sets.adience.labels import AGES, AgePolicy, Fold, read_folds

FoldReport = dict[str, dict[str, dict[str, int]]]


def fold_report(root: Path) -> FoldReport:
    """Counts of the fold files at `root`: `report[FOLD][SECTION][NAME]`, where FOLD is "0" to "4" or "all".

    The section `rows` counts all rows, duplicates, problems, odd ages, and the users of labelled rows. The sections
    `gender` and, for the two policies, `age (map)` and `age (drop)` count classes in rows that are neither duplicates
    nor problems: `none` counts rows without this label, `no label` rows without both. Raises `InputError` like
    `labels.read_folds`.
    """
    by_policy: dict[str, list[Fold]] = {ages: read_folds(root, ages) for ages in get_args(AgePolicy)}
    groups = {str(number): [number] for number in range(5)} | {"all": list(range(5))}
    return {
        name: _count({ages: [folds[number] for number in numbers] for ages, folds in by_policy.items()})
        for name, numbers in groups.items()
    }


def fold_problems(root: Path) -> list[str]:
    """A sentence for each row that cannot be used, and for each user who is in two folds."""
    folds = read_folds(root)
    problems = [problem for fold in folds for problem in fold.problems]
    users = {f"{root}/fold_{n}_data.txt": (f"user {face.user}" for face in fold.faces) for n, fold in enumerate(folds)}
    return problems + shared_groups(users)


def fold_survey(report: FoldReport, errors: list[str], warnings: list[str]) -> Survey:
    """A report as the result of a data check, in which each fold is a split and each policy for ages is a task."""
    splits: dict[str, dict[str, Any]] = {}
    for fold, sections in report.items():
        rows, tasks = sections["rows"], {}
        for task in (section for section in sections if section != "rows"):
            counts = {name: count for name, count in sections[task].items() if name not in ("none", "no label")}
            tasks[task] = {"labelled": sum(counts.values()), "counts": counts, "total": sum(counts.values())}
        images = rows["all"] - rows["duplicates"] - rows["problems"]
        splits["all folds" if fold == "all" else f"fold {fold}"] = {"images": images, "sizes": {}, "tasks": tasks}
    rows = report["all"]["rows"]
    describe = f"adience: labels without photos, {rows['all']} rows of {rows['users']} users in five folds"
    return Survey(describe, splits, errors, warnings)


def _count(by_policy: dict[str, list[Fold]]) -> dict[str, dict[str, int]]:
    folds = next(iter(by_policy.values()))  # the policies differ in ages and labels only
    faces = [face for fold in folds for face in fold.faces]
    left_out = sum((fold.left_out for fold in folds), Counter[str]())
    genders = Counter(face.gender for face in faces)
    problems = sum(len(fold.problems) for fold in folds)
    counts = {
        "rows": {
            "all": len(faces) + left_out.total() + problems,
            "duplicates": left_out["duplicate"],
            "problems": problems,
            "odd ages": sum(fold.odd_ages.total() for fold in folds),
            "users": len({face.user for face in faces}),
        },
        "gender": {name: genders[i] for i, name in enumerate(GENDERS)} | {"none": genders[-1] + left_out["unlabelled"]},
    }
    for policy, chosen in by_policy.items():
        ages = Counter(face.age for fold in chosen for face in fold.faces)
        unlabelled = sum(fold.left_out["unlabelled"] for fold in chosen)
        counts[f"age ({policy})"] = {str(limits): ages[i] for i, limits in enumerate(AGES)} | {
            "none": ages[-1] + unlabelled,
            "no label": unlabelled,
        }
    return counts
