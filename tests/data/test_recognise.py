"""Data sets told by what lies in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.data import DATA_SETS
from afanet.data.recognise import recognise
from afanet.errors import InputError


@pytest.mark.parametrize(
    ("name", "mark"), [(name, mark) for name, data_set in DATA_SETS.items() for mark in data_set.marks]
)
def test_every_mark_gives_its_data_set_away(name: str, mark: str, tmp_path: Path) -> None:
    (tmp_path / mark).mkdir(parents=True)
    assert recognise(tmp_path) == name


def test_a_matlab_file_is_nyuv2(tmp_path: Path) -> None:
    (tmp_path / "renamed.mat").touch()
    assert recognise(tmp_path / "renamed.mat") == "nyuv2"


def test_the_real_layouts(shared) -> None:
    layouts = {"nyuv2_288x384": "nyuv2", "nyuv2_official_mini": "nyuv2", "faces_adience_layout": "adience"}
    for folder, name in layouts.items():
        assert recognise(shared(folder)) == name


def test_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing: give a recipe"):
        recognise(tmp_path)
    for name in ("a.txt", "b", "c", "d", "e"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"found a.txt, b, c, d and 1 more"):
        recognise(tmp_path)
    with pytest.raises(InputError, match=r"a.txt is a file, expected a recipe"):
        recognise(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"gone is nothing, expected a recipe"):
        recognise(tmp_path / "gone")
