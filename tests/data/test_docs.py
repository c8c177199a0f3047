"""What the README and the pages of the site show is done as they show it, in order; `follow.py` says how.

Stand-ins, so that it takes seconds and nobody's data: `PATH` is a small tree in the published layout or a file of
weights, `FOLDER` and the table of `my.yaml` are eight images, networks and images are small (`SMALLER`), generated
rooms few (`FEWER`), machines all this one. What is printed must hold every line that a page shows, but for measured
figures, sizes of images and, on the pages of `COUNTED`, all numbers. Python blocks are run too, the README's by
`tests/test_readme.py`. What begins as `SLOW` says waits for `pytest -m slow`; `LEFT_OUT` names what is never done.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import yaml
from PIL import Image

from afanet.cli import main
from afanet.data import DATA_SETS
from afanet.data.intake.init import init_manifest
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.networks import HEADS, METHODS
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.tasks import KINDS, Classification, Depth, Segmentation
from afanet.tasks.loss_options import choose_loss

from .follow import ROOT, follow, launch, smaller
from .pages import LEFT_OUT, SLOW, blocks, commands, is_slow, steps

# Making a release is for a person: builds, tags.
ALL = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("docs/data/*.md"))]
PAGES = [page for page in ALL if page.name != "releasing.md" and steps(page)]
TREES = {
    "adience.md": ("adience",),
    "celeba.md": ("celeba",),
    "check.md": ("folders",),
    "cityscapes.md": ("cityscapes",),
    "comparing.md": ("folders", "adience"),
    "dense-benchmarks.md": ("folders", "pascal"),
    "evaluating.md": ("folders",),
    "nyuv2.md": ("folders",),
    "pets.md": ("pets",),
    "prepare.md": ("folders",),
    "processes.md": ("folders",),
    "results.md": ("folders", "adience"),
    "training.md": ("folders",),
}


def fast_and_slow() -> list[object]:
    """Each page with what is fast, and once more, marked, with everything if some of it is slow."""
    others = [page for page in PAGES if page.name != "your-own.md"]
    fast = [page for page in others if not all(is_slow(step) for step in steps(page))]
    slow = [page for page in others if any(is_slow(step) for step in steps(page))]
    return [pytest.param(page, False, id=page.stem) for page in fast] + [
        pytest.param(page, True, id=f"all of {page.stem}", marks=pytest.mark.slow) for page in slow
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The empty folder in which a reader sits, beside the data."""
    path = tmp_path.with_name(f"{tmp_path.name}-here")
    path.mkdir()
    monkeypatch.chdir(path)
    for registry in (DATA_SETS, HEADS, KINDS, METHODS):
        monkeypatch.setattr(registry, "_rows", dict(registry._rows))  # what a page registers is gone after it
    monkeypatch.setattr("afanet.outside._trusted", set())
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)  # minutes; tests/comparison
    yield path
    shutil.rmtree(path)


def write_own(folder: Path) -> None:
    """Eight images with class ids."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"images/{number}.jpg")
        Image.fromarray(rng.integers(0, 3, (32, 32), np.uint8)).save(folder / f"labels/{number}.png")


@pytest.mark.parametrize(("page", "slow"), fast_and_slow())
def test_a_page(
    page: Path,
    slow: bool,
    here: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for tree in TREES.get(page.name, ()):
        request.getfixturevalue(tree)
    for folder in ("mine", "FOLDER"):
        write_own(here / folder)
    init_manifest(here / "mine")
    (here / "mine/recipe.yaml").write_text((here / "mine/recipe.yaml").read_text().replace("root: .", "root: mine"))
    (here / "mine/recipe.yaml").rename("my.yaml")
    shutil.copy("mine/images/0.jpg", "photo.jpg")
    if slow:
        torch.save(timm.create_model("test_resnet").state_dict(), "weights.pt")
    follow(page, tmp_path, capsys, slow=slow)


def test_the_page_on_data_of_your_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = Path("flat/manifest.csv")

    def spoil(text: str) -> None:
        if text == "afanet data check flat":
            shutil.copy(table, "whole.csv")
            rows = list(csv.reader(table.read_text().splitlines()))
            rows[4][0], rows[2][-2:] = "../images/003.jpg", ["a lot", "class_9"]
            table.write_text("\n".join(",".join(row) for row in rows) + "\n")
        elif text.startswith(".../flat/manifest.csv is separated"):
            whole = Path("whole.csv").read_text()
            for broken in (whole.replace(",", ";"), whole.replace("furnished", "furnishd")):
                table.write_text(broken)
                assert main(["data", "check", "flat"]) == 2
            shutil.copy("whole.csv", table)

    [page] = [page for page in PAGES if page.name == "your-own.md"]
    follow(page, here, capsys, before=spoil)


def test_the_table_of_the_official_folds(
    here: Path, shared: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    [page] = [page for page in PAGES if page.name == "adience.md"]
    [table] = [block.text for block in blocks(page) if block.text.startswith("│ section")]
    assert main(["data", "check", str(shared("adience_folds"))]) == 0
    printed = [line.split() for line in capsys.readouterr().out.replace("┃", "│").splitlines()]
    for line in table.splitlines()[1:]:
        assert any(line.split()[-8:] == row[-8:] for row in printed), line


def test_the_losses_of_the_page_are_taken() -> None:
    given, *samplers = [yaml.safe_load(block.text) for block in blocks(ROOT / "docs/losses.md") if block.kind == "yaml"]
    recipe = load_recipe("rooms").model_dump()
    assert [Recipe.model_validate(recipe | keys).sampler.classes for keys in samplers] == [True, False]
    four = [str(number) for number in range(4)]
    tasks = [Depth(), Segmentation(["bed", "lamp", "wall"]), Classification("age", four)]
    assert set(given["losses"]) == {task.name for task in tasks}
    for task in tasks:
        assert choose_loss(task, given["losses"][task.name]) is not task


def test_the_kinds_of_the_page_are_declared() -> None:
    page = ROOT / "docs/data/dense-and-points.md"
    given = [yaml.safe_load(block.text)["tasks"] for block in blocks(page) if block.kind == "yaml"]
    tasks = {name: task for block in given for name, (_, task) in declare_tasks(block).items()}
    assert {task.kind for task in tasks.values()} == {"dense_regression", "vector", "multi_label_segmentation"}


@pytest.mark.slow
def test_the_script_for_slurm(here: Path, folders: Path) -> None:
    """Whole, to its last line, which gets the flags that make it small."""
    script = (ROOT / "docs/slurm.sh").read_text(encoding="utf-8").strip()
    last = script.splitlines()[-1]
    launch(script.removesuffix(last) + " ".join(smaller(last, folders)))
    assert (here / "runs/nyuv2/metrics.json").is_file()


def test_nothing_is_left_out_or_slow_that_no_page_has() -> None:
    every = [block for page in ALL for block in blocks(page)]
    begun = [block.text for block in every] + [command for block in every for command, _ in commands(block)]
    assert all(any(text.startswith(start) for text in begun) for start in (*LEFT_OUT, *SLOW))
    assert {block.kind for block in every} <= {"bash", "console", "python", "text", "toml", "yaml"}
