"""A run that finds no cache says which there are of the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.data import Data, open_data
from afanet.data.prepare import prepare
from afanet.data.prepared import prepare_hint

TASKS = {"x": {"kind": "classification", "classes": ["a", "b"]}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((24, 32, 3), number, np.uint8)).save(folder / f"{number}.png")
    rows = [f"{number}.png,{'test' if number > 2 else 'train'},{'ab'[number % 2]}" for number in range(4)]
    (folder / "manifest.csv").write_text("\n".join(["image,split,x", *rows]) + "\n")
    return folder


def opened(root: Path, size: tuple[int, int]) -> Data:
    return open_data("manifest", root, size, tasks=TASKS)


def test_the_size_that_is_stored_and_the_one_that_is_wanted_are_named(root: Path, tmp_path: Path) -> None:
    caches = tmp_path / "caches"
    wanted = opened(root, (16, 16))
    assert prepare_hint(wanted, caches / "manifest-0", (16, 16)) == "`afanet data prepare` makes that unnecessary"
    prepare(opened(root, (8, 12)), caches / "manifest-1", workers=0)
    prepare(opened(root, (24, 24)), caches / "manifest-2", workers=0)
    assert prepare_hint(wanted, caches / "manifest-0", (16, 16)) == (
        "`afanet data prepare` stored it at 8x12 and 24x24, but this run takes 16x16; prepare it with --size 16 16 to "
        "read it from the cache"
    )
    assert "stored it with other data.options" in prepare_hint(opened(root, (8, 12)), caches / "manifest-0", (8, 12))
    assert "files have changed since" in prepare_hint(wanted, caches / "manifest-1", (16, 16))


def test_caches_of_other_files_do_not_count(root: Path, tmp_path: Path) -> None:
    caches = tmp_path / "caches"
    prepare(opened(root, (8, 12)), caches / "manifest-1", workers=0)
    prepare(opened(root, (8, 12)), caches / "manifest-of-others-1", workers=0)
    other = root.rename(tmp_path / "other")
    assert "makes that unnecessary" in prepare_hint(opened(other, (9, 9)), caches / "manifest-0", (9, 9))
