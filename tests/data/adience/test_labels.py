from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data.adience.labels import AGES, ODD_RANGES, age_class, read_fold
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
    shared = [len({*range(low, high + 1)} & {*range(one, other + 1)}) for one, other in AGES]
    assert age_class(odd) == shared.index(max(shared))


@given(st.text(max_size=8))
def test_any_other_text_is_never_a_class(text):
    number = age_class(text)
    known = text in {*map(str, AGES), *ODD_RANGES, "None", ""} or text.isdecimal()
    assert known or number is None
    assert number is None or -1 <= number < 8


@given(rows=rows, order=st.permutations(COLUMNS), extra=st.booleans())
@settings(deadline=None)
def test_every_labelled_row_is_read_once(tmp_path_factory, rows, order, extra):
    path = tmp_path_factory.mktemp("fold") / "fold_0_data.txt"
    header = [*order, "tilt"] if extra else order
    lines = [[dict(zip([*COLUMNS, "tilt"], [*row, "0"], strict=True))[column] for column in header] for row in rows]
    path.write_text("\n".join("\t".join(line) for line in [header, *lines]) + "\n")
    fold = read_fold(path)
    once = list(dict.fromkeys(rows))
    assert fold.duplicates == len(rows) - len(once)
    labelled = [row for row in once if age_class(row[3]) != -1 or row[4] in ("f", "m")]
    assert [(face.user, face.photo, face.face) for face in fold.faces] == [row[:3] for row in labelled]
    assert fold.unlabelled == len(once) - len(labelled)
    for face, row in zip(fold.faces, labelled, strict=True):
        assert face.gender == {"f": 0, "m": 1}.get(row[4], -1)
        assert face.age == age_class(row[3])
        assert face.odd == (face.age >= 0 and row[3] != str(AGES[face.age]))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_no_content_does_more_than_raise_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fold") / "fold_0_data.txt"
    path.write_bytes(b"\t".join(column.encode() for column in COLUMNS) + b"\n" + content)
    with contextlib.suppress(InputError):
        assert all(face.gender >= 0 or face.age >= 0 for face in read_fold(path).faces)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lacks the column 'user_id' in its first line"),
        ("user_id,original_image,face_id,age,gender\n", "lacks the column 'user_id'"),
        ("HEADER\na\tb\t1\t(0, 2)\n", r"line 2, has 4 fields, expected 5"),
        ("HEADER\na\tb\t1\t(0, 2)\tf\nc\td\t1\told\tf\n", r"line 3, has age 'old', expected a range such as"),
        ("HEADER\na\tb\t1\t140\tf\n", "line 2, has age '140'"),
        ("HEADER\na\tb\t1\t(0, 2)\tx\n", "line 2, has gender 'x', expected f, m, u or nothing"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, text: str, said: str):
    path = tmp_path / "fold_2_data.txt"
    path.write_text(text.replace("HEADER", "\t".join(COLUMNS)))
    with pytest.raises(InputError, match=rf"fold_2_data\.txt,? {said}"):
        read_fold(path)


def test_the_published_folds(shared):
    """19,487 rows, of which 117 repeat another; counts against the text itself, split and compared plainly."""
    paths = [shared("adience_folds") / f"fold_{number}_data.txt" for number in range(5)]
    folds = [read_fold(path) for path in paths]
    lines = {line for path in paths for line in path.read_text().splitlines()[1:]}
    faces = [face for fold in folds for face in fold.faces]
    assert sum(fold.duplicates for fold in folds) == 117
    assert len(faces) + sum(fold.unlabelled for fold in folds) == len(lines) == 19487 - 117
    assert sum(face.gender == 1 for face in faces) == sum(line.split("\t")[4] == "m" for line in lines)
    plain = sum(line.split("\t")[3] == "(25, 32)" for line in lines)
    odd = sum(line.split("\t")[3] in ("(25, 23)", "(27, 32)", "23", "29", "32", "34", "35") for line in lines)
    assert sum(face.age == 4 for face in faces) == plain + odd
    users = [{face.user for face in fold.faces} for fold in folds]
    assert all(not users[i] & users[j] for i in range(5) for j in range(i))
