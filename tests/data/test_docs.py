"""What the README, the pages of `FIRST` and `TRAINING` and those on data show is done as they show it, in order.

Stand-ins, so that it takes seconds and nobody's data: `PATH` is a small tree in the published layout, `FOLDER` and the
table of `my.yaml` are eight images, networks and images are small (`SMALLER`), generated rooms few (`FEWER`). What is
printed must hold every line that a page shows, but for measured figures, sizes of images and, on the pages of
`COUNTED`, all numbers. Python blocks are run too, the README's by `tests/test_readme.py`.
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from afanet.cli import main
from afanet.data.manifest.init import init_manifest
from afanet.tasks import Classification, Depth, Segmentation

ROOT = Path(__file__).parents[2]
FIRST = ("index", "concepts", "weaving", "choosing", "reading-the-report", "predicting")
TRAINING = ("training", "losses")
PAGES = [
    ROOT / "README.md",
    *(ROOT / f"docs/{name}.md" for name in FIRST + TRAINING),
    *sorted((ROOT / "docs/data").glob("[!R]*.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SIZE = {"--size": "32 48"}  # of the cache too, or training would not find it
SMALLER = SIZE | {
    "--backbone": "test_resnet",
    "--steps": "2",
    "--batch-size": "8",
    "--workers": "0",
    "--device": "cpu",
}
FEWER = {"rooms": ["--data.options.train_scenes", "4", "--data.options.test_scenes", "2"]}
TREES = {
    "README.md": ("folders", "adience"),
    "adience.md": ("adience",),
    "celeba.md": ("celeba",),
    "check.md": ("folders",),
    "cityscapes.md": ("cityscapes",),
    "nyuv2.md": ("folders",),
    "pets.md": ("pets",),
    "prepare.md": ("folders",),
    "training.md": ("folders",),
}
# Pages that show what is counted in whole data sets, of which there are a few samples here.
COUNTED = ("adience.md", "check.md", "index.md", "nyuv2.md")
# What is not done, by how it begins, and why.
LEFT_OUT = {
    "afanet demo": "serves a page until it is ended; tests/demo",
    "make ": "sets up an environment and runs these tests",
    "pip install": "what runs these tests is installed",
    "PATH/": "a layout, which the trees have",
    "afanet train nyuv2 --data PATH --data.options.depth raw": "the tree has no official file; nyuv2/test_matlab.py",
    "losses:": "keys of several recipes; test_the_losses_of_the_page",
    "│ section    │ rows": "the official folds; test_the_table_of_the_official_folds, where they lie",
}

Before = Callable[[str], None]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the page above it."""

    kind: str
    text: str
    above: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], found[2], text[: found.start()]) for found in BLOCK.finditer(text)]


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, without its remark, and the lines that are shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield re.sub(r"\s+# .*", "", command), shown


def left_out(text: str) -> bool:
    return any(text.startswith(start) for start in LEFT_OUT)


def pattern(line: str, counted: bool) -> str:
    """What a shown line may look like: `...` is anything, and figures, sizes, times or all numbers are any others."""
    number = r"\d[\d.x]*"
    varying = number if counted else r"\d+x\d+|\d+\.\d+|\d+(?= s\))"
    return number.join(re.escape(part).replace(r"\.\.\.", ".*") for part in re.split(varying, line.strip()))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder in which a reader sits, beside the data."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)  # minutes; tests/comparison
    return path


def write_own(folder: Path) -> None:
    """Eight images with class ids."""
    rng = np.random.default_rng(0)
    for place in ("images", "labels"):
        (folder / place).mkdir(parents=True)
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"images/{number}.jpg")
        Image.fromarray(rng.integers(0, 3, (32, 32), np.uint8)).save(folder / f"labels/{number}.png")


def write_yaml(block: Block) -> None:
    """A recipe into the file that the text names last, with whatever sections of `flat/recipe.yaml` it leaves out."""
    path = Path(re.findall(r"`([\w/]+\.yaml)`", block.above)[-1])
    base = next((file for file in (path, Path("flat/recipe.yaml")) if file.exists()), None)
    recipe = yaml.safe_load(base.read_text()) if base else {}
    given = yaml.safe_load(textwrap.dedent(block.text))
    if "data" in given:
        recipe |= given
    else:
        recipe["data"]["options"]["tasks"] |= given
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))


def smaller(command: str) -> list[str]:
    words = shlex.split(command)[1:]
    if words[1:2] == ["prepare"]:
        added = SIZE
    elif words[0] == "train":
        # Where a command names no method: what weaving takes is tested elsewhere, but `inspect` needs something woven.
        added = SMALLER | {"--method": "afa" if words[1] == "rooms" else "hard"}
    elif words[0] == "compare":
        added = SMALLER
        words[words.index("--seeds") + 1] = "1"
    else:
        return words
    words += FEWER.get(words[1], [])
    return words + [word for flag, value in added.items() if flag not in words for word in (flag, *value.split())]


def follow(page: Path, data: Path, capsys: pytest.CaptureFixture[str], before: Before = lambda text: None) -> None:
    """Do what `page` says, each block in its turn; `before` is called with a command or block ere its turn comes."""
    namespace: dict[str, object] = {}
    last, said, everything = "", "", ""
    for block in blocks(page):
        if left_out(block.text) or (page.name == "README.md" and block.kind != "console"):
            continue
        before(block.text)
        everything += "".join(capsys.readouterr())
        if block.kind == "python":
            exec(block.text, namespace)
            everything += (said := "".join(capsys.readouterr()))
        elif block.kind == "yaml":
            write_yaml(block)
        elif block.kind == "console":
            for command, shown in commands(block.text):
                everything += do(command, shown, page, data, capsys, before)
        elif block.text.startswith("image,split"):
            check(block.text.splitlines(), Path("flat/manifest.csv").read_text(), page)
        elif last == "python":
            assert block.text == said
        else:
            check(block.text.splitlines(), everything, page)
        last = block.kind


def do(
    command: str, shown: list[str], page: Path, data: Path, capsys: pytest.CaptureFixture[str], before: Before
) -> str:
    """Run one command, see that it prints what is shown, and return what it printed."""
    if left_out(command):
        return ""
    before(command)
    goes_on = "--warm-start" in command or "--resume" in command
    if "evaluate" not in page.read_text(encoding="utf-8") and command.startswith("afanet train") and not goes_on:
        shutil.rmtree("runs", ignore_errors=True)  # of a command that the next can stand for
    status = main(smaller(command.replace("PATH", str(data))))
    said = "".join(capsys.readouterr())
    assert status == (2 if any(line.startswith("error: ") for line in shown) else 0), f"{command}\n{said}"
    check(shown, said, page)
    return said


def check(shown: list[str], said: str, page: Path) -> None:
    for line in shown:
        assert re.search(pattern(line, page.name in COUNTED), said), f"{page.name}: {line}\n{said}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "your-own.md"], ids=lambda page: page.stem)
def test_a_page(page: Path, here: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    for tree in TREES.get(page.name, ()):
        request.getfixturevalue(tree)
    for folder in ("mine", "FOLDER"):
        write_own(here / folder)
    init_manifest(here / "mine")
    (here / "mine/recipe.yaml").write_text((here / "mine/recipe.yaml").read_text().replace("root: .", "root: mine"))
    (here / "mine/recipe.yaml").rename("my.yaml")
    shutil.copy("mine/images/0.jpg", "photo.jpg")
    follow(page, here.parent, capsys)


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
    [given] = [yaml.safe_load(block.text) for block in blocks(ROOT / "docs/losses.md") if block.kind == "yaml"]
    four = [str(number) for number in range(4)]
    tasks = [Depth(), Segmentation(["bed", "lamp", "wall"]), Classification("age", four)]
    assert set(given["losses"]) == {task.name for task in tasks}
    for task in tasks:
        assert task.with_loss(given["losses"][task.name]) is not task


def test_nothing_is_left_out_that_no_page_has() -> None:
    texts = [block.text for page in PAGES for block in blocks(page)]
    begun = [*texts, *(command for text in texts for command, _ in commands(text))]
    assert all(any(text.startswith(start) for text in begun) for start in LEFT_OUT)
    assert all(block.kind in ("console", "python", "text", "yaml") for page in PAGES for block in blocks(page))
