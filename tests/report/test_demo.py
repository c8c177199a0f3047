"""The demonstration and the folder that is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.cli.main import main
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.report import demo


def test_a_folder_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    with pytest.raises(InputError, match="is not the folder of an earlier demo"):
        demo.run_demo(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["precious.txt"]


def test_both_methods_are_trained_and_drawn_and_nothing_in_the_folder_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {
        "data.size": [32, 32],
        "network.backbone": "test_resnet",
        "network.head": "linear",
        "data.options.train_scenes": 4,
        "data.options.test_scenes": 2,
        "batch_size": 2,
        "steps": 1,
        "workers": 0,
    }
    monkeypatch.setattr(demo, "load_recipe", lambda name, values: load_recipe(name, small | values))
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/demo")
    folder.mkdir(parents=True)
    (folder / demo.MARK).touch()
    (folder / "notes.txt").write_text("mine")
    assert main(["demo"]) == 0
    tables = {f"comparison.{form}" for form in ("md", "csv", "tex", "json")}
    assert {file.name for file in folder.iterdir()} == {
        demo.MARK,
        demo.PICTURE,
        "report.html",
        "single",
        "afa",
        "notes.txt",
        *tables,
    }
    assert (folder / "notes.txt").read_text() == "mine"
    said = capsys.readouterr().out
    assert "miou ↑" in said
    assert "report.html shows all results" in said
