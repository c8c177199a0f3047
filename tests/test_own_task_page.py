"""The file on the page "Add a kind of task" is one that works, from a recipe that names it too."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet import load_run, outside, register_task
from afanet.cli.main import main
from afanet.data import DATA_SETS
from afanet.tasks import KINDS
from afanet.testing import check_task

PAGE = Path(__file__).parents[1] / "docs" / "your-own-task.md"
FILE, REGISTERED, DATA = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SMALL = "--backbone test_resnet --network.head linear --epochs 1 --workers 0 --device cpu --precision float32"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's file beside a recipe for a few grey pictures, whose grey tells a count."""
    monkeypatch.setattr(outside, "_trusted", set())
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "chairs"
    folder.mkdir()
    (folder / "count.py").write_text(FILE)
    with (folder / "manifest.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "split", "chairs"])
        for number in range(8):
            Image.fromarray(np.full((32, 32, 3), 30 * number, np.uint8)).save(folder / f"{number}.png")
            rows.writerow([f"{number}.png", "test" if number > 5 else "train", number])
    assert 'kind: "count.py:COUNT"' in PAGE.read_text(encoding="utf-8")
    recipe = {
        "name": "chairs",
        "data": {
            "name": "manifest",
            "root": ".",
            "size": [32, 32],
            "options": {"tasks": {"chairs": {"kind": "count.py:COUNT"}}},
        },
        "network": {"method": "single", "backbone": "test_resnet", "output_stride": 32},
        "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.01},
        "schedule": {"name": "constant"},
        "epochs": 1,
        "batch_size": 3,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


def test_the_file_on_the_page_passes_the_checks(folder: Path) -> None:
    outside.trust_code()
    kind = outside.load(str(folder / "count.py") + ":COUNT")
    check_task(kind)  # type: ignore[arg-type]


def test_a_recipe_that_names_it_is_trained_with_trust(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", str(folder / "recipe.yaml"), *SMALL.split(), "--out", "run"]
    assert main(train) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert not Path("run").exists()
    assert main([*train, "--trust-code"]) == 0
    [(reference, kept)] = yaml.safe_load(Path("run/recipe.yaml").read_text())["code"].items()
    assert reference == f"{folder / 'count.py'}:COUNT"
    assert kept == outside.code_hash(reference)
    run = load_run("run")
    assert run.tasks["chairs"].kind == reference
    assert run.score("chairs", "mae") is not None
    assert main(["data", "check", str(folder), "--trust-code"]) == 0


def test_every_command_wants_trust_and_the_same_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(folder / "recipe.yaml"), *SMALL.split(), "--out", "run", "--trust-code"]) == 0
    commands = [
        ["evaluate", "run"],
        ["predict", "run", str(folder / "0.png"), "--out", "out"],
        ["export", "run", "--format", "torch"],
        ["report", "run", "--out", "page.html"],
    ]
    for command in commands:
        outside._trusted.clear()
        assert main(command) == 2, command
        assert "--trust-code" in capsys.readouterr().err, command
        assert main([*command, "--trust-code"]) == 0, command
        capsys.readouterr()
    (folder / "count.py").write_text(FILE + "\n# changed\n")
    for command in commands:
        assert main([*command, "--trust-code"]) == 2, command
        assert "count.py has changed since the run was trained" in capsys.readouterr().err
    (folder / "count.py").unlink()
    assert main(["evaluate", "run", "--trust-code"]) == 2
    assert "count.py does not exist" in capsys.readouterr().err


def test_the_lines_in_python_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(KINDS, "_rows", dict(KINDS._rows))
    monkeypatch.setattr(DATA_SETS, "_rows", dict(DATA_SETS._rows))
    scope = {"__name__": "page"}
    exec(FILE, scope)
    exec(REGISTERED, scope)
    check_task(KINDS["count"])
    register_task("count", KINDS["count"])
    exec(DATA, scope)
    assert "4" in capsys.readouterr().out


def test_a_recipe_can_name_a_data_set_in_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "corner.py").write_text(DATA.partition("afanet.register_data")[0])  # by its file alone
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["data"] = {"name": "corner.py:open_corner", "size": [32, 32], "options": {"scenes": 4}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    train = ["train", str(folder / "recipe.yaml"), *SMALL.split(), "--out", "run"]
    assert main(train) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert main([*train, "--trust-code"]) == 0
    assert list(load_run("run").scores) == ["segmentation", "depth"]
    assert main(["evaluate", "run", "--trust-code"]) == 0
    assert main(["data", "check", str(folder / "recipe.yaml"), "--trust-code"]) == 0
    recipe["data"]["options"] = {"scenes": "many"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    assert main([*train[:-1], "other", "--trust-code"]) == 2
    assert "'scenes' of data set" in capsys.readouterr().err
