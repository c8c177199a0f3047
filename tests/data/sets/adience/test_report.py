from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from afanet.data.sets.adience.labels import AGES, age_class
from afanet.data.sets.adience.report import fold_problems, fold_report, fold_survey
from afanet.errors import InputError


def test_counts_of_small_folds(adience: Path):
    path = adience / "fold_0_data.txt"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\nbroken\n")
    report = fold_report(adience)
    assert report["0"]["rows"] == {"all": 4, "duplicates": 1, "problems": 1, "odd ages": 0, "users": 2}
    assert report["all"]["rows"] == {"all": 12, "duplicates": 1, "problems": 1, "odd ages": 4, "users": 8}
    assert report["all"]["gender"] == {"f": 4, "m": 2, "none": 4}
    assert report["3"]["age (map)"]["(25, 32)"] == 2
    assert report["3"]["age (map)"]["none"] == report["3"]["age (map)"]["no label"] == 0
    assert report["3"]["age (drop)"]["none"] == report["3"]["age (drop)"]["no label"] == 2
    assert fold_problems(adience) == [f"{path}, line 5, has 1 fields, expected 6: correct it"]


def test_a_user_in_two_folds_is_a_problem(adience: Path):
    path = adience / "fold_4_data.txt"
    path.write_text(path.read_text().replace("40@N00", "10@N00"))
    [problem] = fold_problems(adience)
    assert problem.startswith(f"user 10@N00 is in {adience}/fold_1_data.txt and {adience}/fold_4_data.txt")


def test_the_published_folds(shared):
    """Each class by each policy, against the lines of the files counted plainly."""
    root = shared("adience_folds")
    report = fold_report(root)
    lines = {line for number in range(5) for line in (root / f"fold_{number}_data.txt").read_text().splitlines()[1:]}
    assert report["all"]["rows"]["all"] == 19487
    assert report["all"]["rows"]["duplicates"] == 117
    assert report["all"]["rows"]["all"] == sum(report[str(number)]["rows"]["all"] for number in range(5))
    written = Counter(line.split("\t")[3] for line in lines)
    for number, limits in enumerate(map(str, AGES)):
        assert report["all"]["age (drop)"][limits] == written[limits]
        meant = sum(count for text, count in written.items() if age_class(text) == number)
        assert report["all"]["age (map)"][limits] == meant
    odd = sum(count for text, count in written.items() if text not in {*map(str, AGES), "None", ""})
    assert report["all"]["rows"]["odd ages"] == odd
    assert not fold_problems(root)


def test_a_path_without_folds_is_refused(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"does not have the layout of 'adience', found notes\.txt"):
        fold_report(tmp_path)


def test_as_a_survey_every_fold_is_a_split(adience: Path):
    report = fold_report(adience)
    result = fold_survey(report, ["one"], [])
    assert result.describe == "adience: labels without photos, 10 rows of 8 users in five folds"
    assert list(result.splits) == ["fold 0", "fold 1", "fold 2", "fold 3", "fold 4", "all folds"]
    assert list(result.splits["fold 3"]["tasks"]) == ["gender", "age (map)", "age (drop)"]
    assert result.splits["all folds"]["tasks"]["gender"] == {"labelled": 6, "counts": {"f": 4, "m": 2}, "total": 6}
    assert result.splits["fold 3"]["tasks"]["age (drop)"]["labelled"] == 0
    assert result.errors == ["one"]
