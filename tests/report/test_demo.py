"""The demonstration and the folder that is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.errors import InputError
from afanet.report import demo
from afanet.training.load import load_recipe


def test_a_folder_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    with pytest.raises(InputError, match="is no folder of an earlier demo"):
        demo.run_demo(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["precious.txt"]


def test_both_methods_are_trained_and_drawn_and_an_earlier_demo_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {
        "data.size": [32, 32],
        "network.backbone": "test_resnet",
        "data.options.train_scenes": 4,
        "data.options.test_scenes": 2,
        "batch_size": 2,
        "steps": 1,
        "workers": 0,
    }
    monkeypatch.setattr(demo, "load_recipe", lambda name, values: load_recipe(name, small | values))
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / demo.MARK).touch()
    (folder / "stale").touch()
    runs = demo.run_demo(folder)
    assert [run.results["method"] for run in runs.values()] == ["single", "afa"]
    assert {file.name for file in folder.iterdir()} == {demo.MARK, demo.PICTURE, "single", "afa"}
    assert runs["single"].examples["id"] == runs["afa"].examples["id"]
