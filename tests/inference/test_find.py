"""Arguments name files, folders and patterns; every file comes once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from afanet.inference import find_photos

from ..bounds import bounded


def test_folders_patterns_and_files_are_found_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.JPG", "in/a/c.png", "in/.hidden/d.png", "in/notes.txt", "in/out/e.png", "in/f.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("empty").mkdir()
    actual, faults = find_photos(["in/b.JPG", "in", "in/*/c.*", "none*.png", "empty", "gone.png"], Path("in/out"))
    assert actual == [Path("in/b.JPG"), Path("in/a/c.png"), Path("in/f.mp4")]
    assert [fault.split()[0] for fault in faults] == ["none*.png", "empty", "gone.png"]


def test_what_cannot_be_looked_for_gets_a_sentence() -> None:
    actual, [fault] = find_photos(["a\0[b]"])
    assert not actual
    assert "cannot be searched" in fault or "has no picture" in fault


def test_folders_that_contain_themselves_are_walked_once(tmp_path: Path) -> None:
    inner = tmp_path / "trip" / "day"
    inner.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(inner / "a.png")
    (inner / "again").symlink_to(tmp_path / "trip")
    (tmp_path / "trip" / "self").symlink_to(tmp_path / "trip")
    (inner / "ring.png").symlink_to(inner / "gnir.png")
    (inner / "gnir.png").symlink_to(inner / "ring.png")
    os.mkfifo(inner / "pipe.png")
    with bounded():
        assert find_photos([tmp_path / "trip"]) == ([inner / "a.png"], [])
        assert find_photos([tmp_path / "trip"], leave_out=inner / "ring.png")[0] == [inner / "a.png"]
        assert find_photos([tmp_path / "trip" / "day" / "again"])[0] == [inner / "again" / "day" / "a.png"]
        assert find_photos([str(tmp_path / "**" / "*.png")])[0] != []
        [fault] = find_photos([inner / "ring.png"])[1]
        assert "ring.png does not exist" in fault


def test_arrays_in_folders_are_found_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.npy").touch()
    assert find_photos([tmp_path], arrays=True) == ([tmp_path / "a.npy"], [])
    assert find_photos([tmp_path / "a.npy"]) == ([tmp_path / "a.npy"], [])
    none, [fault] = find_photos([tmp_path])
    assert (none, "has no picture or video in it" in fault, ".npy" in fault) == ([], True, False)
    [fault] = find_photos([tmp_path / "none*"], arrays=True)[1]
    assert "has no picture, video or array in it" in fault
    assert ".npy" in fault
