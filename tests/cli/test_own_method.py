"""A method from a user's file through every command, and the refusals to run code that nobody trusts."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet import outside
from afanet.cli import main
from afanet.comparison.costs import measure
from afanet.networks.methods import METHODS
from afanet.recipe.schema import Recipe

CODE = """
import pathlib
import torch
from afanet import Fusion

with pathlib.Path("ran").open("a") as ran:
    ran.write("x")


class MeanPull(Fusion):
    "Every task is pulled to the mean of all."

    def __init__(self, channels, tasks=2, size=None, **guard):
        super().__init__(channels, tasks, size, **guard)
        self.pull = torch.nn.Parameter(torch.zeros(channels, 1, 1))

    def fuse(self, xs):
        mean = sum(xs) / len(xs)
        return [x + torch.sigmoid(self.pull) * (mean - x) for x in xs]
"""
FLAGS = "--size 32 48 --backbone test_resnet --network.head linear --steps 2 --batch-size 2 --workers 0 --device cpu"
SMALL = f"{FLAGS} --data.options.train_scenes 4 --data.options.test_scenes 3".split()
RUN = "runs/rooms-MeanPull-seed0"
MEASURED: dict[str, Any] = {
    "costs": {"step_s": 1.0, "latency_s": 0.5, "memory_mib": 9.0},
    "measured": {"device": "cpu", "threads": 1, "batch_size": 2, "precision": "float32", "rounds": 5, "load": None},
}


def forget() -> None:
    """Trust and code as in a new process."""
    outside._trusted.clear()
    outside._loaded.clear()
    METHODS._referred.clear()
    for name in [name for name in sys.modules if name.startswith("afanet_outside_")]:
        del sys.modules[name]
    Path("ran").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the method was trained from a file beside it."""
    folder = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("mine.py").write_text(CODE)
        forget()
        assert main(["train", "rooms", "--method", "mine.py:MeanPull", *SMALL]) == 0
        pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save("a.png")
    return folder


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in which this test stands, in as good as a new process."""
    folder = tmp_path / "own"
    shutil.copytree(trained, folder)
    recipe = folder / RUN / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(str(trained), str(folder)))
    monkeypatch.chdir(folder)
    forget()
    return folder


def test_a_run_keeps_what_its_code_was(here: Path) -> None:
    recipe = yaml.safe_load((here / RUN / "recipe.yaml").read_text())
    reference = f"{here / 'mine.py'}:MeanPull"
    assert recipe["network"]["method"] == reference
    assert recipe["code"] == {reference: outside.code_hash(reference)}


def test_every_command_finds_it_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", RUN, "--trust-code"]) == 0
    out = capsys.readouterr().out
    assert "MeanPull" in out
    assert "\nidentical to" in out
    assert main(["predict", RUN, "a.png", "--out", "out", "--trust-code"]) == 0
    assert main(["export", RUN, "--format", "torch", "--trust-code"]) == 0
    assert "by `MeanPull`" in (here / RUN / "model.pt2.md").read_text()
    assert main(["train", "rooms", "--method", "mine.py:MeanPull", *SMALL, "--resume"]) == 0


@pytest.mark.parametrize("limit", ["0", "3"])
def test_inspect_says_what_the_layer_does_not_define(
    limit: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", RUN, "a.png", "--limit", limit, "--trust-code"]) == 0
    out = capsys.readouterr().out
    page, told = (here / RUN / "inspect.html").read_text(), json.loads((here / RUN / "inspect.json").read_text())
    for text in (out, page, told["note"]):
        assert "MeanPull defines no gates" in text
        assert "MeanPull defines no cut" in text
        assert "no fusion layer" not in text
        assert "same for every image" not in text
    assert told["connections"] == []


def test_it_is_compared_under_the_name_of_its_class(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(recipe: Recipe) -> dict[str, Any]:
        """Only the method from outside is built in a new process, which has to trust it again."""
        return MEASURED if recipe.network.method == "single" else measure(recipe)

    monkeypatch.setattr("afanet.comparison.costs.measure", measured)
    words = ["compare", "rooms", "--methods", "single,mine.py:MeanPull", "--seeds", "1", *SMALL, "--out", "both"]
    assert main(words) == 0
    assert "│ MeanPull" in capsys.readouterr().out.replace("┃", "│")
    assert {path.name for path in Path("both").iterdir() if path.is_dir()} == {"single-seed0", "MeanPull-seed0"}
    runs = [str(path) for path in sorted(Path("both").glob("*-seed0"))]
    forget()
    assert main(["report", *runs]) == 2
    assert not Path("ran").exists()
    capsys.readouterr()
    assert main(["report", *runs, "--trust-code"]) == 0
    page = Path("report.html").read_text()
    assert "MeanPull defines no gates" in page
    assert ", code=" not in page


@pytest.mark.parametrize(
    "words",
    [
        f"evaluate {RUN}",
        f"inspect {RUN} a.png",
        f"inspect {RUN}",
        f"predict {RUN} a.png --out out",
        f"export {RUN}",
        f"report {RUN}",
        f"demo {RUN} --port 0",
        f"train {RUN}/recipe.yaml --out again",
        "train own.yaml --out own",
        "compare rooms --variants own-variants.yaml",
    ],
)
def test_what_nobody_trusts_is_not_run(words: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy("mine.py", "other.py")
    Path("own.yaml").write_text((here / RUN / "recipe.yaml").read_text().replace("mine.py:", "other.py:"))
    Path("own-variants.yaml").write_text("single: {network.method: single}\nown: {network.method: mine.py:MeanPull}\n")
    outside.trust_code("elsewhere.py:MeanPull")
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert re.search(r"^afanet: error: (variants .*: )?\S+:MeanPull is code from outside afanet", error, re.MULTILINE)
    assert "--trust-code" in error
    assert not Path("ran").exists()


def test_data_of_the_package_are_checked_without_trust_in_a_recipes_method(here: Path) -> None:
    assert main(["data", "check", f"{RUN}/recipe.yaml"]) == 0
    assert not Path("ran").exists()


def test_the_demo_page_says_what_the_layer_does_not_define(here: Path) -> None:
    from afanet.demo.exhibit import Exhibit
    from afanet.runs.run import load_run

    outside.trust_code()
    exhibit = Exhibit(load_run(Path(RUN)))
    about = exhibit.about()
    assert about["method"] == "MeanPull"
    assert "MeanPull defines no gates" in about["lacking"]
    assert not about["readable"]
    assert not about["cuttable"]
    answer = exhibit.answer(np.zeros((40, 50, 3), np.uint8))
    assert answer["shares"] == answer["taken"] == []


def test_only_what_the_command_line_names_is_trusted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "other.py").write_text(CODE)
    assert main(["train", "rooms", "--method", "other.py:MeanPull", *SMALL, "--out", "other"]) == 0
    assert main(["evaluate", RUN]) == 2
    assert f"{here / 'mine.py'}:MeanPull is code from outside afanet" in capsys.readouterr().err


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("words", ["evaluate RUN", "report RUN", "predict RUN a.png --out out", "train resumed"])
def test_code_that_is_gone_or_changed_is_one_sentence(
    words: str, gone: bool, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if gone:
        (here / "mine.py").unlink()
    else:
        (here / "mine.py").write_text(f"{CODE}\n# more\n")
    given = [*words.replace("RUN", RUN).split(), "--trust-code"]
    if "resumed" in words:
        given = ["train", "rooms", "--method", "mine.py:MeanPull", *SMALL, "--resume"]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert ("mine.py does not exist" if gone else "mine.py has changed since the run was trained") in error
    assert error.count("\n") == 1
    assert not Path("ran").exists()


def test_a_path_in_a_recipe_begins_at_the_recipe(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "deep").mkdir()
    (here / "mine.py").rename(here / "deep/mine.py")
    recipe = yaml.safe_load((here / RUN / "recipe.yaml").read_text())
    recipe["network"]["method"] = "mine.py:MeanPull"
    del recipe["code"]
    Path("deep/own.yaml").write_text(yaml.safe_dump(recipe))
    assert main(["train", "deep/own.yaml", "--out", "deep/run"]) == 2
    assert not Path("deep/run").exists()
    assert main(["train", "deep/own.yaml", "--out", "deep/run", "--trust-code"]) == 0
    assert f"{here / 'deep/mine.py'}:MeanPull" in Path("deep/run/recipe.yaml").read_text()


def test_two_classes_of_one_name_are_told_apart(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)  # measured in the test above
    (here / "other.py").write_text(f"{CODE}\n# another\n")
    words = ["compare", "rooms", "--methods", "mine.py:MeanPull,other.py:MeanPull", "--seeds", "1", *SMALL]
    assert main([*words, "--out", "two"]) == 0
    assert {path.name for path in Path("two").iterdir() if path.is_dir()} == {
        "mine-MeanPull-seed0",
        "other-MeanPull-seed0",
    }
    assert "mine-MeanPull" in capsys.readouterr().out


def test_one_class_in_two_places_is_one_method(here: Path) -> None:
    from afanet.comparison.groups import group_runs
    from afanet.runs.run import load_run

    (here / "copy").mkdir()
    shutil.copy("mine.py", "copy/mine.py")
    assert main(["train", "rooms", "--method", "copy/mine.py:MeanPull", *SMALL, "--seed", "1", "--out", "second"]) == 0
    outside.trust_code()
    [group] = group_runs([load_run(Path(path)) for path in (RUN, "second")])
    assert group.title == "MeanPull"
    assert group.seeds == [0, 1]


def test_a_method_that_was_registered_elsewhere_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = here / RUN / "recipe.yaml"
    values = yaml.safe_load(recipe.read_text())
    values["network"]["method"], values["code"] = "mean_pull", {}
    recipe.write_text(yaml.safe_dump(values))
    assert main(["evaluate", RUN]) == 2
    error = capsys.readouterr().err
    assert "unknown method 'mean_pull'" in error
    assert "register it in this process, or name it as FILE.py:" in error


@pytest.mark.slow
def test_several_processes_trust_the_same(here: Path) -> None:
    words = ["train", "rooms", "--method", "mine.py:MeanPull", *SMALL, "--devices", "2", "--out", "several"]
    assert main(words) == 0
    assert Path("several/metrics.json").is_file()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class MeanPull: pass", "expected a class that derives from afanet.Fusion"),
        ("from afanet import Fusion\nclass MeanPull(Fusion): pass", "lacks fuse"),
        ("from afanet import Fusion\nclass MeanPull(Fusion):\n  meet = 'stage'\n  def fuse(self, xs): ...", "'stages'"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("class Other: pass", "defines no 'MeanPull'"),
    ],
)
def test_what_is_no_method_is_said_and_leaves_nothing(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    forget()
    Path("mine.py").write_text(code)
    assert main(["train", "rooms", "--method", "mine.py:MeanPull", *SMALL]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_an_installed_package_adds_a_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    info = site / "afanet_mean_pull-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: afanet-mean-pull\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[afanet]\nmethod.mean_pull = afanet_mean_pull:MeanPull\n")
    (site / "afanet_mean_pull.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(METHODS, "_installed", None)
    monkeypatch.setattr(METHODS, "_rows", dict(METHODS._rows))
    monkeypatch.chdir(tmp_path)
    assert "mean_pull" in METHODS
    assert main(["train", "rooms", "--method", "mean_pull", *SMALL]) == 0
    assert main(["evaluate", "runs/rooms-mean_pull-seed0"]) == 0
    assert main(["train", "rooms", "--method", "mean_pul", *SMALL]) == 2
    assert "did you mean 'mean_pull'" in capsys.readouterr().err
