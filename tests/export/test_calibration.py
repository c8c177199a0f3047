"""The images that int8 is calibrated on: the run's own, those of other data, or a folder of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.errors import InputError
from afanet.export.calibration import calibration_images
from afanet.recipe.load import dump_recipe
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run

from ..small import make_small


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(RunFolder(tmp_path / "run"), make_small(), {"tasks": {}})


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (30 + number, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_they_are_the_training_images_without_augmentation(run: Run) -> None:
    images, which = calibration_images(run, None)
    data = run.data()
    assert which == "10 images of the run's training split"
    assert images.shape == (10, 3, 24, 32)
    assert torch.equal(images[3], data.test.transform(data.train.read(data.train.items[3]))["image"])


def test_a_folder_of_pictures_of_any_size_will_do(run: Run, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", 3)
    images, which = calibration_images(run, folder)
    assert which == f"3 images of {folder}"
    assert images.shape == (3, 3, 24, 32)


def test_another_recipe_gives_its_training_images_at_the_size_of_the_run(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(dump_recipe(make_small(**{"data.size": [48, 64], "data.options.train_scenes": 4})))
    images, which = calibration_images(run, file)
    assert which == f"4 images of the training split of {file}"
    assert images.shape == (4, 3, 24, 32)


def test_images_of_another_kind_are_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    arrays = make_small(**{"network.in_chans": 5, "network.mean": [0.5] * 5, "network.std": [0.5] * 5})
    of_arrays = Run(run.folder, arrays, {"tasks": {}, "described": run_described(run)})
    photos = pictures(tmp_path / "photos", 1)
    np.save(photos / "x.npy", np.zeros((8, 8, 4), np.uint8))
    for each, given, message in [
        (run, tmp_path / "nowhere", "nowhere do not exist: give a folder of images or a recipe"),
        (run, tmp_path / "empty", "empty has no picture or video in it"),
        (of_arrays, photos, "0.png has 3 channels .photos are RGB., and the network takes 5"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            calibration_images(each, given)
        assert "\n" not in str(caught.value)


def run_described(run: Run) -> dict[str, object]:
    from afanet.tasks import Description

    return {name: Description.of(task).as_json() for name, task in run.tasks.items()}
