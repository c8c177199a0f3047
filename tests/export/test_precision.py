"""A run that trained in bf16 answers in float32: scored, predicted, shown and exported alike, in every pixel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from afanet import Predictor
from afanet.data.transforms import denormalise
from afanet.demo import Exhibit
from afanet.export import export_run
from afanet.inference.predictor import open_model
from afanet.normalisation import IMAGENET
from afanet.recipe.load import load_recipe
from afanet.runs.run import load_run
from afanet.tasks.depth.result import DepthMap
from afanet.training.run import evaluate, train

SIZE = (96, 128)
PIXELS = 96 * 128
KEYS = {
    "network.method": "hard",
    "steps": 2,
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.mean": IMAGENET.mean,
    "network.std": IMAGENET.std,
    "data.size": list(SIZE),
    "data.options.train_scenes": 8,
    "data.options.test_scenes": 2,
    "batch_size": 4,
    "workers": 0,
    "device": "cpu",
    "precision": "bf16",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "bf16"
    train(load_recipe("rooms", KEYS), folder)
    return folder


@pytest.fixture(scope="module")
def photo(run: Path) -> NDArray[np.uint8]:
    data = load_run(run).data()
    return denormalise(data.test[0]["image"], data.normalisation)


def test_its_maps_keep_their_digits(run: Path, photo: NDArray[np.uint8]) -> None:
    results = Predictor(run)(photo)
    depth = results["depth"]
    assert isinstance(depth, DepthMap)
    assert len(np.unique(depth.metres)) > 0.95 * PIXELS
    model = open_model(run)
    estimates = model.estimate(model.about.prepare(photo, SIZE)[None])["segmentation"][0]
    first, second = np.sort(estimates, axis=0)[[-1, -2]]
    assert not (first == second).any()


def test_its_onnx_file_agrees_in_every_pixel(run: Path, photo: NDArray[np.uint8], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    exported = export_run(run, "onnx", tmp_path / "model.onnx")
    models = [open_model(run), open_model(exported.file)]
    image = models[0].about.prepare(photo, SIZE)[None]
    of_run, of_file = (model.estimate(image) for model in models)
    for task, values in of_run.items():
        np.testing.assert_allclose(values, of_file[task], rtol=1e-3, err_msg=task)


def test_its_demo_agrees_in_every_pixel(run: Path, photo: NDArray[np.uint8]) -> None:
    model, exhibit = open_model(run), Exhibit(load_run(run))
    image = model.about.prepare(photo, SIZE)[None]
    logits = exhibit.predictor.answer(torch.from_numpy(image))
    for task, values in model.estimate(image).items():
        assert np.array_equal(exhibit.predictor.tasks[task].estimate(logits[task]).numpy(), values)


def test_its_scores_are_those_of_float32(run: Path, tmp_path: Path) -> None:
    plain = Path(shutil.copytree(run, tmp_path / "plain"))
    recipe = plain / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("precision: bf16", "precision: float32"))
    assert "precision: float32" in recipe.read_text()
    with torch.autocast("cpu", torch.bfloat16):  # nor does it matter where evaluation is called
        scores = evaluate(run).scores
    assert scores == evaluate(plain).scores == json.loads((run / "metrics.json").read_text())["tasks"]
