"""A kind of task that only this file knows goes through every command, with nothing else edited."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchvision import tv_tensors

import afanet
from afanet.cli.main import main
from afanet.files import path_in, write_whole
from afanet.label_files import read_image
from afanet.networks.outputs import Dense
from afanet.tasks import DenseTask, Described, Kind, Swatches
from afanet.tasks.across import ALONE, Across
from afanet.tasks.column import FileColumn
from afanet.tasks.drawing.draw import Pixels, swatches
from afanet.tasks.drawing.png import png
from afanet.tasks.drawing.resize import resize
from afanet.tasks.kinds import KINDS
from afanet.tasks.result import DenseResult
from afanet.testing import check_task

UNLABELLED = 255
COLOURS = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)


class OutlineScores(Metric):
    """F1 of outlines over all labelled pixels."""

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", default=torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        known = target != UNLABELLED
        right = (prediction == 1) & (target == 1) & known
        self.counts += torch.stack([right.sum(), ((prediction == 1) & known).sum() + (target == 1).sum()])

    def compute(self) -> dict[str, Tensor]:
        return {"f1": 2 * self.counts[0] / self.counts[1]}


class Outlines(DenseTask):
    """Is there an edge at each pixel?"""

    kind = "contours"
    main_metric = "f1"
    error_limit, error_unit = 1.0, "wrong"

    def __init__(self, name: str) -> None:
        self.name, self.output, self.higher_is_better = name, Dense(1), {"f1": True}

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        known = self.labelled(target)
        terms = F.binary_cross_entropy_with_logits(logits.float()[:, 0], (target == 1).float(), reduction="none")
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        return torch.full(size, UNLABELLED)

    def labelled(self, target: Tensor) -> Tensor:
        return target != UNLABELLED

    def fault(self, target: Tensor) -> str | None:
        wrong = target[self.labelled(target) & (target > 1)]
        return f"edge {wrong[0]}, expected 0 or 1" if len(wrong) else None

    def predict(self, logits: Tensor) -> Tensor:
        return (logits[:, 0] > 0).long()

    def estimate(self, logits: Tensor) -> Tensor:
        return logits.float().sigmoid()

    @property
    def meaning(self) -> dict[str, Any]:
        return {"kind": self.kind}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        return cls(described.name)

    def metrics(self) -> MetricCollection:
        return MetricCollection([OutlineScores()])

    @property
    def legend(self) -> Swatches:
        return Swatches(("no edge", "edge"), COLOURS)

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        picture: NDArray[np.uint8] = COLOURS[(value.cpu() == 1).long().numpy()]
        return picture

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction != target).float().masked_fill(~self.labelled(target), torch.nan)


class OutlinesColumn(FileColumn):
    """A PNG, white where an edge is."""

    folders: ClassVar[tuple[str, ...]] = ("outlines",)
    remark: ClassVar[str] = "white is an edge"

    def task(self, name: str) -> Outlines:
        return Outlines(name)

    def read(self, path: Path) -> Tensor:
        mask: Tensor = tv_tensors.Mask(
            torch.from_numpy((read_image(path, "L", "map of outlines") > 127).astype(np.uint8))
        )
        return mask


class OutlineMap(DenseResult):
    """The probability of an edge at each pixel."""

    reads = "the probability of an edge at each pixel"
    limits = ("Outlines are those that the labellers saw.",)

    def __init__(self, task: str, probability: NDArray[np.float32]) -> None:
        self.task, self.probability = task, probability

    @classmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        return cls(task, resize(estimate[0], size))

    def picture(self) -> Pixels:
        picture: Pixels = COLOURS[(self.probability > 0.5).astype(int)]
        return picture

    def legend(self, width: int) -> Pixels:
        return swatches(["no edge", "edge"], COLOURS.tolist(), width)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        return [write_whole(path_in(Path(folder), self.task, f"{name}.png"), png(self.picture()))]


OUTLINES = Kind(task=Outlines, column=OutlinesColumn, result=OutlineMap)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    afanet.register_task("outlines", OUTLINES)
    yield
    del KINDS._rows["outlines"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of a bright square, its outlines and its depth, with a first manifest and recipe."""
    folder = tmp_path_factory.mktemp("squares")
    random = np.random.default_rng(0)
    for place in ("images", "outlines", "depth"):
        (folder / place).mkdir()
    for number in range(10):
        top, left = random.integers(2, 12, 2)
        photo, outlines = np.zeros((24, 32, 3), np.uint8), np.zeros((24, 32), np.uint8)
        photo[top : top + 8, left : left + 12] = 200
        outlines[top : top + 8, left : left + 12] = 255
        outlines[top + 1 : top + 7, left + 1 : left + 11] = 0
        Image.fromarray(photo).save(folder / f"images/{number}.png")
        Image.fromarray(outlines).save(folder / f"outlines/{number}.png")
        Image.fromarray(1000 + 1000 * (photo[..., 0] > 0).astype(np.uint16)).save(folder / f"depth/{number}.png")
    assert main(["data", "init", str(folder)]) == 0
    return folder


SMALL = """--data.size 32 32 --backbone test_resnet --network.head linear --epochs 1 --workers 0 --device cpu
--precision float32"""


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A run that learnt outlines and depth together."""
    out = folder.parent / "run"
    assert main(["train", str(folder / "recipe.yaml"), "--out", str(out), *SMALL.split()]) == 0
    return out


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """A run of single-task networks."""
    out = folder.parent / "alone"
    assert main(["train", str(folder / "recipe.yaml"), "--method", "single", "--out", str(out), *SMALL.split()]) == 0
    return out


def test_it_passes_the_checks_of_kinds() -> None:
    check_task(OUTLINES)


def test_a_folder_of_its_name_is_recognised(folder: Path) -> None:
    with (folder / "manifest.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "split", "depth", "outlines"]
    assert rows[0][3] == "outlines/0.png"
    recipe = (folder / "recipe.yaml").read_text()
    assert "# white is an edge\n      outlines: {kind: outlines}\n" in recipe


def test_its_labels_are_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(folder)]) == 0
    assert "outlines" in capsys.readouterr().out


def test_a_prepared_copy_gives_the_same_labels(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from afanet.recipe.load import load_recipe
    from afanet.runs.setup import open_tasks

    monkeypatch.setenv("AFANET_CACHE", str(tmp_path))
    plain = open_tasks(load_recipe(folder / "recipe.yaml"))[0].test[0]["targets"]["outlines"]
    assert main(["data", "prepare", str(folder / "recipe.yaml")]) == 0
    cached = open_tasks(load_recipe(folder / "recipe.yaml"))[0].test[0]["targets"]["outlines"]
    assert type(plain) is type(cached)
    assert torch.equal(plain, cached)


def test_it_is_trained_and_scored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = json.loads((run / "metrics.json").read_text())
    assert kept["described"]["outlines"]["meaning"] == {"kind": "outlines"}
    assert 0 <= kept["tasks"]["outlines"]["f1"] <= 1
    assert (run / "predictions.png").is_file()
    assert main(["evaluate", str(run), "--device", "cpu"]) == 0
    assert "f1" in capsys.readouterr().out
    assert type(afanet.load_run(run).tasks["outlines"]) is Outlines


def test_methods_are_compared_on_it_with_pictures(run: Path, alone: Path, tmp_path: Path) -> None:
    assert main(["report", str(run), str(alone), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "no edge" in page
    assert "f1" in page


def test_it_is_predicted(folder: Path, run: Path, tmp_path: Path) -> None:
    photo = folder / "images/0.png"
    assert main(["predict", str(run), str(photo), "--out", str(tmp_path / "out")]) == 0
    assert np.asarray(Image.open(tmp_path / "out/outlines/0.png")).shape == (24, 32, 3)
    assert isinstance(afanet.load_run(run).predictor(flip=True)(photo)["outlines"], OutlineMap)


def test_it_is_inspected(folder: Path, run: Path, tmp_path: Path) -> None:
    assert main(["inspect", str(run), str(folder / "images/0.png"), "--out", str(tmp_path)]) == 0
    assert "outlines" in (tmp_path / "inspect.html").read_text()


def test_it_is_exported_with_its_card(folder: Path, alone: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "model.onnx"
    assert main(["export", str(alone), "--format", "onnx", "--out", str(file)]) == 0
    card = (tmp_path / "model.onnx.md").read_text()
    assert "the probability of an edge at each pixel" in card
    assert "Outlines are those that the labellers saw." in card
    assert isinstance(afanet.Predictor(file)(folder / "images/0.png")["outlines"], OutlineMap)


def test_the_demo_page_shows_it(folder: Path, run: Path) -> None:
    from afanet.demo.exhibit import Exhibit

    exhibit = Exhibit(afanet.load_run(run))
    assert {"name": "outlines", "legend": {"names": ["no edge", "edge"], "colours": ["#000000", "#ffffff"]}} in (
        exhibit.about()["tasks"]
    )
    photo = np.asarray(Image.open(folder / "images/0.png"))
    answer = exhibit.answer(photo, to=0, source=1, layers=len(exhibit.layers))
    [outlines] = [task for task in answer["tasks"] if task["name"] == "outlines"]
    assert outlines["picture"].startswith("data:image/png;base64,")
    assert outlines["changed"].startswith("moved by ")


def test_a_process_that_does_not_know_it_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = KINDS._rows.pop("outlines")
    try:
        assert main(["evaluate", str(run)]) == 2
    finally:
        KINDS._rows["outlines"] = row
    error = capsys.readouterr().err
    assert "'kind' is 'outlines', expected one of: segmentation" in error
    assert "or your own, registered with afanet.register_task" in error


def test_a_name_of_ours_cannot_be_taken() -> None:
    with pytest.raises(afanet.InputError, match="'depth' cannot name a kind of task"):
        afanet.register_task("depth", OUTLINES)
