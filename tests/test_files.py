"""A file is whole or not there, and lies where it should."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import afanet
from afanet.errors import InputError
from afanet.files import path_in, whole, write_whole
from afanet.json_text import parse_json, strict, to_json


def write_half(path: Path, error: BaseException) -> None:
    with whole(path) as partial:
        partial.write_text("ne")
        raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("later")])
def test_what_stood_there_stays_where_the_new_cannot_be_written(error: BaseException, tmp_path: Path) -> None:
    file = write_whole(tmp_path / "a.json", "old")
    raised = InputError if isinstance(error, OSError) else type(error)
    for path in (file, tmp_path / "made" / "deep" / "a.json"):
        with pytest.raises(raised):
            write_half(path, error)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert file.read_text() == "old"


def test_the_sentence_names_the_file_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/a\.json cannot be written: Not a directory"):
        write_whole(tmp_path / "file" / "a.json", "new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder cannot be written: Is a directory"):
        write_whole(tmp_path / "folder", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_a_file_with_a_name_like_a_partial_ones_is_left_alone(tmp_path: Path) -> None:
    mine = [tmp_path / name for name in ("a.json.partial", "a.partial", ".partial.json")]
    for file in mine:
        file.write_text("mine")
    write_whole(tmp_path / "a.json", "new")
    assert [file.read_text() for file in mine] == ["mine"] * 3
    assert len(list(tmp_path.iterdir())) == 4


parts = st.text(min_size=0, max_size=300) | st.sampled_from(
    ["..", ".", "", "/", "/etc", "a/../..", "../x", "a\0", "/x/"]
)


@given(parts, parts)
def test_a_path_is_refused_or_lies_in_its_folder(folder: str, name: str) -> None:
    here = Path("here").absolute()
    try:
        path = path_in(here, folder, name)
    except InputError:
        return
    assert path.parent.parent == here
    assert Path(path.as_posix()).resolve().is_relative_to(here)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@given(NESTED)
def test_what_is_written_as_json_is_json_and_reads_back_without_what_is_no_number(value: Any) -> None:
    text = to_json(value, indent=2, ensure_ascii=False)
    assert json.loads(text, parse_constant=refuse) == strict(value) == parse_json(text, "it")


@given(NESTED)
def test_older_files_that_hold_nan_are_read_as_null(value: Any) -> None:
    assert parse_json(json.dumps(value), "it") == strict(value)


def test_everything_in_the_package_is_written_in_one_place() -> None:
    package = Path(afanet.__file__).parent
    writers = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if re.search(r"json\.dumps?\(", file.read_text(encoding="utf-8"))
    }
    # The check of a task asks whether something is plain JSON, and writes nothing.
    assert writers == {"json_text.py", "testing/task.py"}
    assert to_json(math.inf) == "null"
