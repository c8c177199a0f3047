"""Networks of grey and of four channels, and of a backbone with a mean of its own: from training to an ONNX file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from afanet.cli.main import main
from afanet.demo import Exhibit
from afanet.demo.upload import read_upload
from afanet.errors import InputError
from afanet.inference import Predictor
from afanet.inspection.connections import read_photos
from afanet.networks.backbones import Backbone
from afanet.normalisation import IMAGENET, Normalisation
from afanet.recipe.load import load_recipe
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks
from afanet.training.run import train
from afanet.training.warm_start import require_same_images

SIZE = (32, 48)
FOUR = Normalisation((0.5, 0.4, 0.3, 0.2), (0.5, 0.25, 1.0, 0.125))
SHORT = {
    "network.backbone": "test_resnet",  # whose weights were trained with a mean and a standard deviation of 0.5
    "network.head": "linear",
    "data.size": list(SIZE),
    "steps": 1,
    "epochs": 1,
    "batch_size": 2,
    "workers": 0,
    "device": "cpu",
    "precision": "float32",
}
ROOMS = SHORT | {"data.options.train_scenes": 2, "data.options.test_scenes": 2}
TASKS = {"depth": {"kind": "depth"}, "kind": {"kind": "classification", "classes": ["hall", "attic"]}}


def arrays(folder: Path, channels: int) -> dict[str, Any]:
    """A recipe's keys for images with so many channels, three times as high as wide."""
    rng = np.random.default_rng(0)
    rows = ["image,split,depth,kind"]
    for number, split in enumerate(("train", "train", "test", "test")):
        np.save(folder / f"{number}.npy", rng.integers(0, 256, (48, 16, channels), dtype=np.uint8))
        np.save(folder / f"depth{number}.npy", rng.uniform(1, 5, (48, 16)))
        rows.append(f"{number}.npy,{split},depth{number}.npy,{'hall' if number % 2 else 'attic'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return {
        "data.name": "manifest",
        "data.root": str(folder),
        "data.resize": "letterbox",
        "data.options": {"tasks": TASKS},
    }


def keys(folder: Path, kind: str) -> dict[str, Any]:
    if kind == "four":
        more = {"network.in_chans": 4, "network.mean": list(FOUR.mean), "network.std": list(FOUR.std)}
        (folder / "data").mkdir()
        return SHORT | arrays(folder / "data", 4) | more | {"network.method": "hard"}
    return ROOMS | {"network.method": "hard"} | ({"network.in_chans": 1} if kind == "grey" else {})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a run of a kind: `half`, `grey` or `four`."""

    @cache
    def give(kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        train(load_recipe("rooms", keys(folder, kind)), folder / "run")
        return folder / "run"

    return give


def image(channels: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (*size, channels), dtype=np.uint8)


TAKEN = {
    "half": Normalisation((0.5,) * 3, (0.5,) * 3),
    "grey": Normalisation((0.5,), (0.5,)),
    "four": FOUR,
}


@pytest.mark.parametrize("kind", TAKEN)
def test_a_run_answers_as_its_network_computes_by_hand(kind: str, run: Callable[[str], Path]) -> None:
    finished, taken = load_run(run(kind)), TAKEN[kind]
    assert (finished.recipe.network.mean, finished.recipe.network.std) == (taken.mean, taken.std)
    pixels = image(3 if kind == "grey" else taken.channels)
    values = pixels.astype(np.float64)
    if kind == "grey":
        values = np.round(pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    normalised = (values / 255 - np.array(taken.mean)) / np.array(taken.std)
    network = finished.network().double()
    with torch.no_grad():
        logits = network(torch.from_numpy(normalised).permute(2, 0, 1)[None])
    model = Predictor(run(kind)).model
    answers = model.estimate(model.about.prepare(pixels, SIZE)[None])
    for name, task in finished.tasks.items():
        expected = task.estimate(logits[name]).numpy()
        assert np.abs(answers[name] - expected).max() < 1e-4 * np.abs(expected).max()


def test_its_file_answers_as_the_run(run: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = tmp_path / "model.onnx"
    assert main(["export", str(run("four")), "--out", str(file)]) == 0
    of_run, of_file = Predictor(run("four")), Predictor(file)
    assert of_file.model.about.normalisation == FOUR
    photo = image(4)
    for size in (SIZE, (40, 56)):
        prepared = of_file.model.about.prepare(photo, size)
        assert np.abs(prepared - of_run.model.about.prepare(photo, size)).max() <= 1.01 / 255 / min(FOUR.std)
        for name, values in of_run.model.estimate(prepared[None]).items():
            assert np.abs(of_file.model.estimate(prepared[None])[name] - values).max() < 1e-4 * np.abs(values).max()
    card = (tmp_path / "model.onnx.md").read_text()
    assert "float32 (B, 4, H, W)" in card
    assert "[0.5, 0.4, 0.3, 0.2] and divided by [0.5, 0.25, 1.0, 0.125]" in card


def test_what_is_around_a_letterboxed_image_is_zero(run: Callable[[str], Path]) -> None:
    finished = load_run(run("four"))
    inside = (slice(None), slice(16, 32))  # of a size of 32x48, 48x16 fill 32x11 in the middle
    for split in open_tasks(finished.recipe)[0].splits.values():
        for sample in (split[0], split[1]):
            around = sample["image"].as_subclass(torch.Tensor).clone()
            assert around.shape == (4, *SIZE)
            assert around[:, *inside].abs().sum() > 0
            around[:, *inside] = 0
            assert not around.any()
    about = Predictor(run("four")).model.about
    prepared = about.prepare(image(4, (48, 16)), SIZE)
    prepared[:, *inside] = 0
    assert not prepared.any()


def test_the_commands_take_arrays_and_draw_three_channels(run: Callable[[str], Path], tmp_path: Path) -> None:
    pixels, file = image(4, (48, 16)), tmp_path / "scans/a.npy"
    file.parent.mkdir()
    np.save(file, pixels)
    assert main(["predict", str(run("four")), str(file.parent), "--out", str(tmp_path / "out")]) == 0
    [line] = (tmp_path / "out/predictions.jsonl").read_text().splitlines()
    assert json.loads(line)["size"] == [48, 16]
    assert np.asarray(Image.open(tmp_path / "out/side-by-side/a.png")).shape[2] == 3
    assert main(["evaluate", str(run("four"))]) == 0
    about = Predictor(run("four")).model.about
    inspected = read_photos([file], SIZE, about.resize, about.normalisation)[0]
    assert inspected.numpy().tobytes() == about.prepare(pixels, SIZE).tobytes()
    assert main(["report", str(run("four")), "--out", str(tmp_path / "report.html")]) == 0
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_the_page_answers_for_arrays_and_for_its_samples(run: Callable[[str], Path]) -> None:
    exhibit = Exhibit(load_run(run("four")))
    assert exhibit.about()["channels"] == 4
    sample = read_upload(exhibit.array(0))
    assert sample.shape[2] == 4
    answer = exhibit.answer(sample)
    assert answer["photo"].startswith("data:image/jpeg")
    assert Image.open(io.BytesIO(exhibit.sample(0))).mode == "RGB"
    grey = Exhibit(load_run(run("grey")))
    picture = read_upload(grey.sample(0))
    assert grey.data is not None
    expected = grey.data.test[0]["image"].as_subclass(torch.Tensor)
    assert torch.equal(torch.from_numpy(Predictor(run("grey")).model.about.prepare(picture, SIZE)), expected)


def test_a_photo_for_a_network_of_four_channels_is_refused(
    run: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "a.png"
    Image.fromarray(image(3)).save(photo)
    assert main(["predict", str(run("four")), str(photo), "--out", str(tmp_path / "out")]) == 2
    assert f"{photo} has 3 channels (photos are RGB), and the network takes 4" in capsys.readouterr().err
    with pytest.raises(InputError, match="and the network takes 4"):
        Predictor(run("four"))(image(3))
    with pytest.raises(InputError, match="and the network takes 4"):
        Exhibit(load_run(run("four"))).answer(image(3))


@pytest.mark.parametrize(("given", "taken"), [(4, 3), (2, 1), (3, 4)])
def test_data_of_other_channels_are_refused_before_training(given: int, taken: int, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    values = {"network.in_chans": taken, "network.mean": [0.5] * taken, "network.std": [0.5] * taken}
    recipe = load_recipe("rooms", SHORT | arrays(tmp_path / "data", given) | values | {"network.method": "hard"})
    with pytest.raises(InputError, match=f"has {given} channels.* and the network takes {taken}"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def older() -> Callable[[Path], Path]:
    """Makes a run as a version without these keys left it before its end, in a new folder."""

    def make(folder: Path) -> Path:
        before = {"network.mean": IMAGENET.mean, "network.std": IMAGENET.std}
        train(load_recipe("rooms", keys(folder, "half") | before), folder)
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
        for key in ("in_chans", "mean", "std"):
            del recipe["network"][key]
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        return folder

    return make


def test_a_run_of_before_keeps_imagenets(
    older: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = older(tmp_path / "old")
    assert Predictor(folder).model.about.normalisation == IMAGENET
    assert main(["evaluate", str(folder)]) == 0
    assert "identical to" in capsys.readouterr().out
    (folder / "metrics.json").unlink()  # as if it had been interrupted
    continued = train(load_recipe("rooms", keys(tmp_path, "half")), folder, resume=True)
    assert continued.recipe.network.mean == IMAGENET.mean
    assert "still normalises images by mean [0.485, 0.456, 0.406]" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"recipe.yaml has network.mean"):
        train(load_recipe("rooms", keys(tmp_path, "half") | {"network.mean": [0.5] * 3}), folder, resume=True)


def test_a_warm_start_from_other_images_is_refused(run: Callable[[str], Path]) -> None:
    begun = ROOMS | {"warm_start": [str(run("half"))]}
    require_same_images(load_recipe("rooms", begun))
    with pytest.raises(
        InputError, match=r"normalises images by mean \[0.5.* give network.mean and network.std of that"
    ):
        require_same_images(load_recipe("rooms", begun | {"network.mean": IMAGENET.mean}))


def test_training_takes_the_numbers_of_its_weights_and_says_whose_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (weights := tmp_path / "weights").mkdir()
    torch.save(Backbone("test_resnet").state_dict(), weights / "pytorch_model.bin")
    stated = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    (weights / "preprocessor_config.json").write_text(json.dumps(stated))
    begun = keys(tmp_path, "half") | {"network.weights": f"local-dir:{weights}"}
    taken = train(load_recipe("rooms", begun), tmp_path / "run").recipe.network
    assert (taken.mean, taken.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    said = capsys.readouterr().err
    assert "images: normalised with mean [0.1, 0.2, 0.3] and std [0.4, 0.5, 0.6], as preprocessor_config.json" in said
