"""What the commands say of runs whose networks have no numbers: a sentence and status 2, and nothing written."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.cli.main import main
from afanet.comparison.look import look
from afanet.demo import Exhibit
from afanet.errors import InputError
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks

from ..weights import change_weights, weights_of

FLAGS = (
    "--size 32 48 --backbone test_resnet --network.head linear --method cross_stitch --steps 1 "
    "--batch-size 4 --workers 0 --device cpu"
)
FEW = "--data.options.train_scenes 4 --data.options.test_scenes 2 --precision float32"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "good"
    assert main(["train", "rooms", *FLAGS.split(), *FEW.split(), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def spoilt(good: Path, tmp_path: Path) -> Callable[[float], Path]:
    """A copy of the run whose last layer for depth has weights of this value."""

    def copy(value: float) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(good, folder)
        [*_, last] = [name for name in weights_of(folder) if ".depth.head." in name and name.endswith("weight")]
        change_weights(folder, lambda weights: weights | {last: torch.full_like(weights[last], value)})
        return folder

    return copy


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


COMMANDS = [
    "evaluate RUN",
    "predict RUN PHOTO --out OUT",
    "inspect RUN PHOTO --out OUT --limit 0",
    "inspect RUN PHOTO --out OUT --limit 2",
    "export RUN --format torch --out OUT/model.pt2",
    "report RUN --out OUT/page.html",
    "demo RUN --port 0",
    "train rooms --method cross_stitch --warm-start RUN --out OUT/new --device cpu",
]


@pytest.mark.parametrize("words", COMMANDS)
def test_weights_that_are_not_finite_are_refused(
    words: str, spoilt: Callable[[float], Path], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = spoilt(math.nan)
    if "warm-start" in words:
        recipe = run / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace("method: cross_stitch", "method: single"))
    before = files(tmp_path)
    capsys.readouterr()
    names = {"RUN": str(run), "PHOTO": str(photo)}
    given = [names.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in words.split()]
    assert main(given) == 2
    assert "weights.safetensors holds weights that are not finite ('branches.depth.head." in capsys.readouterr().err
    assert files(tmp_path) == before


@pytest.mark.parametrize("words", [words for words in COMMANDS if not words.startswith(("demo", "train"))])
def test_outputs_that_are_not_finite_are_refused(
    words: str, spoilt: Callable[[float], Path], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = spoilt(3e38)
    before = files(tmp_path)
    capsys.readouterr()
    names = {"RUN": str(run), "PHOTO": str(photo)}
    given = [names.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in words.split()]
    assert main(given) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("afanet: error: ")
    assert "task 'depth'" in said
    assert "not finite" in said
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_the_demo_refuses_them_photo_by_photo(spoilt: Callable[[float], Path], photo: Path) -> None:
    exhibit = Exhibit(load_run(spoilt(3e38)))
    for layers in (0, 1):
        with pytest.raises(InputError, match="task 'depth' has outputs that are not finite"):
            exhibit.answer(np.array(Image.open(photo)), to=1, layers=layers)


def test_a_look_at_the_test_split_refuses_them(spoilt: Callable[[float], Path]) -> None:
    run = load_run(spoilt(3e38))
    data, tasks = open_tasks(run.recipe)
    with pytest.raises(InputError, match="task 'depth' has outputs that are not finite"):
        look(TaskPredictor(run, tasks), data)


@pytest.mark.parametrize("words", ["predict RUN PHOTO --out OUT", "inspect RUN PHOTO --out OUT --limit 0"])
def test_a_run_without_a_score_is_used_with_a_word(
    words: str, good: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(good, tmp_path / "run")
    results = json.loads((run / "metrics.json").read_text())
    results["tasks"]["depth"] = dict.fromkeys(results["tasks"]["depth"])
    (run / "metrics.json").write_text(json.dumps(results))
    names = {"RUN": str(run), "PHOTO": str(photo), "OUT": str(tmp_path / "out")}
    assert main([names.get(word, word) for word in words.split()]) == 0
    said = f"{run} has no abs of task 'depth': its test split has no label of it, or its outputs were not finite"
    assert said in capsys.readouterr().err
