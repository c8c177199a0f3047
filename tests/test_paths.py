"""What is wrong with a path is one sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.errors import InputError
from afanet.paths import RUN_FILES, require_data, require_folder, require_run


def test_a_folder_has_something_in_it(tmp_path: Path) -> None:
    for path, kind in ((tmp_path / "gone", "does not exist"), (tmp_path, "is an empty folder")):
        with pytest.raises(InputError, match=f"'{path}' {kind}, expected images$"):
            require_folder(path, "images")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file' is a file, expected images$"):
        require_folder(tmp_path / "file", "images")
    require_folder(tmp_path, "images")


def test_a_run_has_a_recipe_and_a_checkpoint(tmp_path: Path) -> None:
    for name in RUN_FILES:
        with pytest.raises(InputError, match=f"^{tmp_path} is not a run folder: it has no {name}, expected a folder"):
            require_run(tmp_path)
        (tmp_path / name).touch()
    require_run(tmp_path)


def test_data_lie_in_a_folder(tmp_path: Path) -> None:
    require_data(tmp_path)
    (tmp_path / "file").touch()
    for name, kind in (("file", "a file"), ("gone", "nothing")):
        with pytest.raises(InputError, match=f"{name} is {kind}, expected a recipe or the folder of a data set"):
            require_data(tmp_path / name)
