"""The MATLAB files of PASCAL-Context and PASCAL-Part, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from afanet.data.sets.pascal.annotations import NUMBERS, PARTS, read_context, read_parts
from afanet.errors import InputError

from ...conftest import write_parts

ALL = np.ones((2, 3), bool)


def test_the_24_parts_make_six_groups() -> None:
    assert len(NUMBERS) == sum(map(len, PARTS.values())) == 24
    assert [NUMBERS[name] for name in ("hair", "torso", "ruarm", "lhand", "luleg", "rfoot")] == [1, 2, 3, 4, 5, 6]


def test_of_parts_that_overlap_the_later_counts_and_other_things_have_none(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    first = ALL & (np.arange(3) < 2)
    write_parts(file, [(8, [("tail", ALL)]), (15, [("head", first), ("torso", ALL & (np.arange(3) == 1))]), (15, [])])
    assert read_parts(file, (2, 3)).tolist() == [[1, 2, 0]] * 2
    write_parts(file, [(7, [])])
    assert not read_parts(file, (2, 3)).any()


def test_an_unknown_part_and_a_mask_of_another_size_are_named(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    write_parts(file, [(15, [("wing", ALL)])])
    with pytest.raises(InputError, match=r"a\.mat has the part 'wing' of a person, expected one of hair, head"):
        read_parts(file, (2, 3))
    write_parts(file, [(15, [("head", ALL)])])
    with pytest.raises(InputError, match=r"a\.mat has a mask of \(2, 3\) pixels, expected \(5, 5\)"):
        read_parts(file, (5, 5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": 1}, "holds no 'anno'"),
        ({"anno": 3}, "has an 'anno' that is not an annotation of PASCAL-Part"),
        ({"anno": {"objects": {"class_ind": 15}}}, "has an 'anno' that is not an annotation of PASCAL-Part"),
    ],
)
def test_other_files_are_no_annotations(content: dict[str, object], message: str, tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(InputError, match=message):
        read_parts(tmp_path / "a.mat", (2, 3))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 2), 460), "has labels up to 460, expected classes 1 to 459"),
        (np.full((2, 2), -1), "has labels up to -1"),
        (np.ones((2, 2, 2)), r"has a LabelMap of float64 \(2, 2, 2\), expected numbers"),
    ],
)
def test_maps_of_labels_that_are_none(labels: np.ndarray, message: str, tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"LabelMap": labels})
    with pytest.raises(InputError, match=message):
        read_context(tmp_path / "a.mat")


def test_a_cut_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(InputError, match=r"a\.mat cannot be read as a MATLAB file"):
        read_context(tmp_path / "a.mat")
    with pytest.raises(InputError, match=r"b\.mat is missing"):
        read_context(tmp_path / "b.mat")
