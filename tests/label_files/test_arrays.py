"""Arrays in archives: one alone is read, within limits."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from afanet.errors import InputError
from afanet.label_files import read_array

from ..bounds import bounded


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "i8", "f2", "f4"])
def test_the_only_array_of_an_archive_is_read_and_a_cut_one_is_refused(save, dtype: str, tmp_path: Path) -> None:
    path, written = tmp_path / "map.NPZ", np.arange(12).reshape(3, 4).astype(dtype)
    with path.open("wb") as file:
        save(file, depth=written)
    read = read_array(path, "map")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, written)
    whole = path.read_bytes()
    for length in (0, 1, 50, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"map\.NPZ cannot be read as an array .*copy this map again"):
            read_array(path, "map")
    path.unlink()
    with pytest.raises(InputError, match=r"map\.NPZ is missing: every frame needs its map"):
        read_array(path, "map")


def test_several_arrays_are_named(tmp_path: Path) -> None:
    path = tmp_path / "map.npz"
    np.savez(path, image=np.ones(2), label=np.ones(2))
    with pytest.raises(InputError) as caught:
        read_array(path, "map")
    assert str(caught.value) == f"{path} holds 2 arrays (image, label), expected one, a map: save only that one"
    np.savez(path, **{f"a{number}": np.ones(1) for number in range(30)})
    with pytest.raises(InputError, match=r"holds 30 arrays \(a0, .*, a11 and 18 more\), expected one"):
        read_array(path, "map")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(InputError, match="holds 0 arrays, expected one"):
        read_array(path, "map")


def test_objects_in_an_archive_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "map.npz", np.array([{}]))
    with pytest.raises(InputError, match="cannot be read as an array"):
        read_array(tmp_path / "map.npz", "map")


def test_a_small_archive_that_unpacks_to_more_than_any_image_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "map.npz"
    np.savez_compressed(path, np.zeros((1 << 10, 1 << 10)))
    assert read_array(path, "map").shape == (1024, 1024)
    monkeypatch.setattr("afanet.label_files.arrays.MOST_BYTES", 8 << 20)
    with bounded(), pytest.raises(InputError, match=r"holds an array of 8,388,736 bytes, expected at most 8,388,608"):
        read_array(path, "map")
