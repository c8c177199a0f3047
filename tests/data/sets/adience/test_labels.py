from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data.sets.adience.labels import AGES, ODD_RANGES, age_class, read_fold
from afanet.errors import InputError

COLUMNS = ["user_id", "original_image", "face_id", "age", "gender"]
written_ages = st.sampled_from([*map(str, AGES), *ODD_RANGES, "None", "", "3", "35", "57"])
rows = st.lists(
    st.tuples(
        st.from_regex(r"[0-9]{1,8}@N0[0-9]", fullmatch=True),
        st.from_regex(r"[0-9a-f_\"']{1,12}\.jpg", fullmatch=True),
        st.integers(0, 2300).map(str),
        written_ages,
        st.sampled_from(["f", "m", "u", ""]),
    ),
    max_size=12,
)


def test_the_eight_ranges_are_their_classes():
    assert [age_class(str(limits)) for limits in AGES] == list(range(8))


@given(st.integers(0, 100))
def test_a_bare_number_goes_to_the_nearest_range(years):
    distances = [min(abs(years - year) for year in range(low, high + 1)) for low, high in AGES]
    assert age_class(str(years)) == distances.index(min(distances))


@pytest.mark.parametrize("odd", [odd for odd, number in ODD_RANGES.items() if number >= 0])
def test_an_odd_range_goes_where_most_of_it_lies(odd):
    low, high = sorted(int(year) for year in odd.strip("()").split(", "))
    shared = [len({*range(low, high + 1)} & {*range(start, end + 1)}) for start, end in AGES]
    assert age_class(odd) == shared.index(max(shared))


@given(st.one_of(st.sampled_from([*map(str, AGES), *ODD_RANGES, "None", ""]), st.integers(0, 100).map(str)))
def test_dropping_takes_the_class_of_odd_ages_and_of_no_other(text):
    assert age_class(text, "drop") == (age_class(text) if text in map(str, AGES) else -1)


@pytest.mark.parametrize("ages", ["map", "drop"])
@given(text=st.one_of(st.text(max_size=8), st.just("9" * 5000)))
def test_any_other_text_is_never_a_class(text, ages):
    number = age_class(text, ages)
    known = text in {*map(str, AGES), *ODD_RANGES, "None", ""} or text.isdecimal()
    assert known or number is None
    assert number is None or -1 <= number < 8


@pytest.mark.parametrize("ages", ["map", "drop"])
@given(rows=rows, order=st.permutations(COLUMNS), extra=st.booleans())
@settings(deadline=None)
def test_every_labelled_row_is_read_once(tmp_path_factory, ages, rows, order, extra):
    path = tmp_path_factory.mktemp("fold") / "fold_0_data.txt"
    header = [*order, "tilt"] if extra else order
    lines = [[dict(zip([*COLUMNS, "tilt"], [*row, "0"], strict=True))[column] for column in header] for row in rows]
    path.write_text("\n".join("\t".join(line) for line in [header, *lines]) + "\n")
    fold = read_fold(path, ages)
    once = list(dict.fromkeys(rows))
    labelled = [row for row in once if age_class(row[3], ages) != -1 or row[4] in ("f", "m")]
    assert [(face.user, face.photo, face.face) for face in fold.faces] == [row[:3] for row in labelled]
    assert fold.left_out == Counter(duplicate=len(rows) - len(once), unlabelled=len(once) - len(labelled))
    assert not fold.problems
    for face, row in zip(fold.faces, labelled, strict=True):
        assert face.gender == {"f": 0, "m": 1}.get(row[4], -1)
        assert face.age == age_class(row[3], ages)
    written = [row[3] for row in once if row[3] not in {*map(str, AGES), "None", ""}]
    assert fold.odd_ages == Counter(written)


@given(header=st.booleans(), content=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_fold_or_an_input_error(tmp_path_factory, header, content):
    path = tmp_path_factory.mktemp("fold") / "fold_0_data.txt"
    path.write_bytes("\t".join(COLUMNS).encode() * header + b"\n" * header + content)
    with contextlib.suppress(InputError):
        fold = read_fold(path)
        assert all(face.gender >= 0 or face.age >= 0 for face in fold.faces)
        assert all("\n" not in problem for problem in fold.problems)


hostile = st.one_of(st.sampled_from(["", ".", "..", "/etc", "../x", "a/b", "a\0b", "..a"]), st.text(max_size=6))


@given(st.tuples(hostile, hostile, hostile))
@settings(deadline=None)
def test_no_name_leads_out_of_the_folder_of_photos(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("fold") / "fold_0_data.txt"
    row = "\t".join([*names, "(0, 2)", "f"])
    path.write_bytes(("\t".join(COLUMNS) + "\n" + row + "\n").encode(errors="replace"))
    folder = Path("/photos/aligned")
    for face in read_fold(path).faces:
        photo = f"landmark_aligned_face.{face.face}.{face.photo}"
        assert os.path.normpath(folder / face.user / photo) == f"{folder}/{face.user}/{photo}"


@pytest.mark.parametrize("text", ["", "user_id,original_image,face_id,age,gender\n", "\n\n"])
def test_a_file_without_the_columns_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "fold_2_data.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"fold_2_data\.txt lacks the column 'user_id' in its first line"):
        read_fold(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    path = tmp_path / "fold_2_data.txt"
    path.write_bytes("\t".join(COLUMNS).encode() + b"\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"fold_2_data\.txt is not TAB-separated text"):
        read_fold(path)


def test_every_line_that_cannot_be_used_is_named_and_the_others_are_read(tmp_path: Path):
    path = tmp_path / "fold_2_data.txt"
    lines = ["a\tb\t1\t(0, 2)\tf", "a\tb\t1\t(0, 2)", "c\td\t1\told\tf", "", "a\tb\t1\t140\tf"]
    lines += ["a\tb\t1\t(0, 2)\tx", "../a\tb\t1\t(0, 2)\tf", "a\tb\t2\t(0, 2)\tf"]
    path.write_text("\n".join(["\t".join(COLUMNS), *lines]))
    fold = read_fold(path)
    assert [face.face for face in fold.faces] == ["1", "2"]
    assert fold.problems == [
        f"{path}, line 3, has 4 fields, expected 5: correct it",
        f"{path}, line 4, has age 'old', expected a range such as (25, 32), years or None: correct it",
        f"{path}, line 6, has age '140', expected a range such as (25, 32), years or None: correct it",
        f"{path}, line 7, has gender 'x', expected f, m, u or nothing: correct it",
        f"{path}, line 8, has user_id '../a', expected a part of a file's name: correct it",
    ]


def test_the_published_folds(shared):
    """19,487 rows, of which 117 repeat another; counts against the text itself, split and compared plainly."""
    paths = [shared("adience_folds") / f"fold_{number}_data.txt" for number in range(5)]
    folds = [read_fold(path) for path in paths]
    lines = {line for path in paths for line in path.read_text().splitlines()[1:]}
    faces = [face for fold in folds for face in fold.faces]
    left_out = sum((fold.left_out for fold in folds), Counter())
    assert left_out["duplicate"] == 117
    assert len(faces) + left_out["unlabelled"] == len(lines) == 19487 - 117
    assert sum(face.gender == 1 for face in faces) == sum(line.split("\t")[4] == "m" for line in lines)
    plain = sum(line.split("\t")[3] == "(25, 32)" for line in lines)
    odd = sum(line.split("\t")[3] in ("(25, 23)", "(27, 32)", "23", "29", "32", "34", "35") for line in lines)
    assert sum(face.age == 4 for face in faces) == plain + odd
    users = [{face.user for face in fold.faces} for fold in folds]
    assert all(not users[i] & users[j] for i in range(5) for j in range(i))
