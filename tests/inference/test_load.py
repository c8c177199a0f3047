"""`afanet.load`: a network from a run, a saved folder or the hub, with torch and without Lightning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import afanet
from afanet.errors import InputError
from afanet.export.save import save_run
from afanet.recipe.load import load_recipe
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run, load_run
from afanet.training.run import train

KEYS = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "data.size": [32, 48],
    "data.options.train_scenes": 4,
    "data.options.test_scenes": 2,
    "steps": 1,
    "batch_size": 4,
    "workers": 0,
    "device": "cpu",
    "precision": "float32",
}
WITHOUT = ("lightning", "lightning_fabric", "pytorch_lightning", "pandas", "h5py", "pyarrow", "sklearn", "torchjd",
           "tensorboard", "jinja2", "peft", "onnx", "onnxruntime")  # fmt: skip
SCRIPT = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split('.')[0] in {without!r} else find(name, path, target)
PathFinder.find_spec = find_spec
import numpy as np, torch, afanet
torch.set_num_threads(1)
network = afanet.load(sys.argv[1])
results = network.predict(sys.argv[2])
logits = network(network.preprocess(sys.argv[2]))
np.savez(sys.argv[3], metres=results['depth'].metres, **{{name: x.detach().numpy() for name, x in logits.items()}})
assert not any(name.split('.')[0] in {without!r} for name in sys.modules)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(load_recipe("rooms", KEYS), tmp_path_factory.mktemp("load") / "run")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 70, 3), dtype=np.uint8)).save(file)
    return file


@pytest.fixture(scope="module")
def saved(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(run.path, tmp_path_factory.mktemp("saved") / "folder").folder


def test_it_answers_as_the_run_and_as_its_predictor(run: Run, saved: Path, photo: Path) -> None:
    expected, loaded = run.predictor()(photo), LoadedNetwork(run, run.tasks)
    for source in (run.path, saved):
        network = afanet.load(source)
        assert not network.training
        assert list(network.tasks) == ["segmentation", "depth"]
        images = network.preprocess(photo)
        assert images.shape == (1, 3, 32, 48)
        assert all(torch.equal(network(images)[name], logits) for name, logits in loaded.logits(images).items())
        results = network.predict(photo)
        assert np.array_equal(results["depth"].metres, expected["depth"].metres)  # type: ignore[attr-defined]
        same = (results["segmentation"].as_target(), expected["segmentation"].as_target())
        assert np.array_equal(*same)


def test_a_photo_may_be_a_path_a_picture_or_an_array(saved: Path, photo: Path) -> None:
    network, picture = afanet.load(saved), Image.open(photo)
    expected = network.preprocess(photo)
    assert torch.equal(network.preprocess(picture), expected)
    assert torch.equal(network.preprocess(np.asarray(picture)), expected)
    with pytest.raises(InputError, match=r"nowhere\.png"):
        network.preprocess("nowhere.png")


def test_it_trains_like_any_module_and_predicts_in_eval_mode_all_the_same(saved: Path, photo: Path) -> None:
    network = afanet.load(saved)
    before = network.predict(photo)["segmentation"].as_target()
    network.train()
    assert np.array_equal(network.predict(photo)["segmentation"].as_target(), before)
    assert network.training
    sum(x.sum() for x in network(network.preprocess(photo).expand(2, -1, -1, -1)).values()).backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


def test_it_needs_neither_lightning_nor_what_else_only_training_needs(
    run: Run, saved: Path, photo: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", SCRIPT.format(without=WITHOUT), str(saved), str(photo), str(tmp_path / "out.npz")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    given, threads = np.load(tmp_path / "out.npz"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = afanet.load(run.path)
        assert np.array_equal(given["metres"], network.predict(photo)["depth"].metres)  # type: ignore[attr-defined]
        for name, logits in network(network.preprocess(photo)).items():
            assert np.array_equal(given[name], logits.detach().numpy())
    finally:
        torch.set_num_threads(threads)


def test_load_run_gives_the_same_for_both(run: Run, saved: Path) -> None:
    ours, theirs = load_run(saved).weights(), run.weights()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
