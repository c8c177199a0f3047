"""What a person had before a command is there afterwards, byte for byte, wherever the command fails."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main
from afanet.recipe.load import load_recipe
from afanet.report import demo

pytestmark = pytest.mark.usefixtures("tiny")

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink")
# Failing changes for each command, chosen at random.
TRIES = [pytest.param(4, id="few"), pytest.param(12, id="many", marks=pytest.mark.slow)]

# Names that commands write too, and such as only a person would think of.
NAMES = (
    *("recipe.yaml", "last.ckpt", "best.ckpt", "log.csv", "metrics.json", "predictions.png", "files.json", "lock"),
    *("last.partial", "recipe.yaml.partial", "model.partial.pt2", "tensorboard/events.out.tfevents.1"),
    *("single/recipe.yaml", "single/photo.jpg", "deep/er/thesis.tex", "nonfinite.txt", "notes.txt"),
)


class Disk:
    """Counts what is about to be made, moved or removed below a folder, and lets the one of a number fail."""

    root: Path | None = None
    failing = 0
    count = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.root is None:
            return
        written = event == "open" and not isinstance(arguments[0], int) and bool(arguments[2] & WRITES)
        if (written or event in CHANGES) and str(arguments[0]).startswith(
            (str(self.root), "runs", "hers", "flat", "bad", "lacking")
        ):
            self.count += 1
            if self.count == self.failing:
                raise OSError(28, "No space left on device")

    @contextmanager
    def fails(self, root: Path, number: int) -> Iterator[None]:
        """Let the `number`-th change below `root` fail; none if 0."""
        self.root, self.failing, self.count = root, number, 0
        try:
            yield
        finally:
            self.root = None


DISK = Disk()
sys.addaudithook(DISK)

SMALL = (
    "--size 32 32 --backbone test_resnet --network.head linear --batch-size 2 --epochs 1 --workers 0 "
    "--device cpu --precision float32"
)
FLAT = f"flat/recipe.yaml {SMALL}"

# What is called, how it ends, and files of which it says that it puts others in their place.
COMMANDS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "train over the data": (f"train {FLAT} --out flat --resume", 2, ()),
    "train what fails over its data": ("train bad/recipe.yaml --out bad --resume", 2, ()),
    "train what lacks a file over its data": ("train lacking/recipe.yaml --out lacking --resume", 2, ()),
    "train inside the data": (f"train {FLAT} --out flat/run", 2, ()),
    "train around the data": (f"train {FLAT} --out . --resume", 2, ()),
    "train where a person has files": (f"train {FLAT} --out hers --resume", 2, ()),
    "train anew": (f"train {FLAT} --out new", 0, ()),
    "train what fails": (f"train {FLAT} --out new --resume --optimizer.lr 1e30 --epochs 3", 2, ()),
    "train in two stages": (f"train {FLAT} --out new --two-stage --method afa", 0, ()),
    "resume": (f"train {FLAT} --out run --resume --method single", 0, ("run/",)),
    "resume otherwise": (f"train {FLAT} --out run --resume --method single --optimizer.lr 0.5", 2, ()),
    "compare": (f"compare {FLAT} --methods single --seeds 2 --out hers", 0, ("hers/report.html", "hers/comparison.")),
    "evaluate": ("evaluate run", 0, ("run/evaluation.json",)),
    "report": ("report run --out hers/report.html", 0, ("hers/report.html",)),
    "predict": ("predict run plain/images/0.png --out hers", 0, ("hers/predictions.jsonl",)),
    "inspect": ("inspect run plain/images/0.png --limit 0 --out hers", 2, ()),
    "export": ("export run --format torch --out hers/model.pt2", 0, ("hers/model.pt2",)),
    "data init": ("data init flat", 2, ()),
    "data init anew": ("data init plain", 0, ()),
    "data check": ("data check flat/recipe.yaml --html hers/page.html", 0, ("hers/page.html",)),
    "data prepare": ("data prepare flat/recipe.yaml --size 32 32", 0, ()),
    "demo": ("demo", 0, ()),
    "demo where a person has files": ("demo", 2, ()),
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images with a recipe of its own, the same images without."""
    root = tmp_path_factory.mktemp("start")
    rng = np.random.default_rng(0)
    for number in range(6):
        for kind, shape in {"images": (32, 32, 3), "depth": (32, 32)}.items():
            (root / "plain" / kind).mkdir(parents=True, exist_ok=True)
            values = rng.integers(1, 255, shape).astype(np.uint8 if kind == "images" else np.uint16)
            Image.fromarray(values).save(root / "plain" / kind / f"{number}.png")
    shutil.copytree(root / "plain", root / "flat")
    assert main(["data", "init", str(root / "flat")]) == 0
    small = {
        "  lr: 0.001": "  lr: 1.0e+30",
        "resnet18": "test_resnet",
        "workers: 2": "workers: 0",
        "epochs: 20": "epochs: 3",
    }
    for name, more in {"bad": "", "lacking": "two_stage: true\n"}.items():
        shutil.copytree(root / "flat", root / name)
        text = (root / name / "recipe.yaml").read_text()
        for old, new in small.items():
            text = text.replace(old, new)
        (root / name / "recipe.yaml").write_text(text + more)
    (root / "lacking" / "depth" / "0.png").unlink()
    return root


@pytest.fixture
def trained(start: Path, tmp_path: Path) -> Path:
    """The same with a finished run."""
    root = shutil.copytree(start, tmp_path / "root")
    with chdir(root):
        assert main(f"train {FLAT} --out run --method single".split()) == 0
    return root.rename(tmp_path / "trained")


@pytest.mark.parametrize("tries", TRIES)
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_of_a_persons_is_lost_wherever_a_command_fails(
    name: str, tries: int, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    command, status, _ = COMMANDS[name]
    if " run" in command:
        start = request.getfixturevalue("trained")
    make_quick(monkeypatch)
    root = tmp_path / "root"
    monkeypatch.setenv("AFANET_CACHE", str(root / "hers"))
    assert tried(name, start, root, 0) == status
    count = DISK.count
    for failing in random.Random(name).sample(range(1, count + 1), min(count, tries)):
        assert tried(name, start, root, failing) in (0, 2), f"change {failing} of {count} failed"


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo, and what is measured after training, in a moment."""
    sizes = {"data.size": [32, 32], "data.options.train_scenes": 2, "data.options.test_scenes": 2}
    costs = {"costs": {"step_s": 1, "latency_s": 1, "memory_mib": 1}}
    quick = sizes | {
        "batch_size": 2,
        "epochs": 1,
        "workers": 0,
        "network.backbone": "test_resnet",
        "network.head": "linear",
    }
    monkeypatch.setattr(demo, "load_recipe", lambda source, values: load_recipe(source, quick | values))
    monkeypatch.setattr("afanet.comparison.costs.measure", lambda recipe: costs)
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 5)


def tried(name: str, start: Path, root: Path, failing: int) -> int:
    """How a command ends in a copy of `start` with a person's files, whose disk fails at its `failing`-th change."""
    command, _, replaced = COMMANDS[name]
    rng = random.Random(failing)
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(start, root)
    where_a_person_is = [root / "runs" / "demo"] if name == "demo where a person has files" else []
    for folder in (root, root / "hers", root / "flat", root / "run", *where_a_person_is):
        if folder.name != "run" or folder.exists():
            fill(folder, rng)
    before = contents(root)
    with chdir(root), DISK.fails(root, failing):
        status = main(command.split())
    after = contents(root)
    for file, content in before.items():
        if not file.startswith(replaced) or "notes" in file:
            assert after.get(file) == content, f"{file} was changed or removed"
    return status


def fill(folder: Path, rng: random.Random) -> None:
    """Random files of a person's in a folder, besides what is there."""
    for name in rng.sample(NAMES, rng.randint(1, len(NAMES))):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_bytes(rng.randbytes(rng.randint(0, 40)))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
