"""The images that give int8 the ranges of activations."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from afanet.data import Split
from afanet.data.recognise import recognise
from afanet.errors import InputError
from afanet.evaluation.data import with_data
from afanet.images import read_image
from afanet.inference.find import VIDEOS, find_photos
from afanet.inference.run_model import about_run
from afanet.normalisation import as_channels
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.examples import spread_over
from afanet.runs.run import Run
from afanet.runs.setup import open_whole

IMAGES = 64


def calibration_images(run: Run, given: Path | None) -> tuple[Tensor, str]:
    """Up to 64 images as the run's network takes them, (B, C, H, W), and a line that says where they are from.

    By default they are spread over the run's own training split, read without augmentation. `given` replaces this split
    by the training split of a recipe or of a data set's folder (if it is recognised), or by all pictures in a folder.

    Raises `InputError` for data that cannot be read, for a folder without pictures, and for images with a number of
    channels that the network does not take.
    """
    if given is None:
        return _of_data(run.recipe, "the run's training split")
    if not given.exists():
        raise InputError(f"the calibration data {given} do not exist: give a folder of images or a recipe")
    if given.suffix.lower() in (".yaml", ".yml"):
        other = load_recipe(given).data
        keys = {"name": other.name, "root": other.root, "options": other.options, "stream": other.stream}
        return _of_data(with_data(run.recipe, **keys), f"the training split of {given}")
    try:
        name = recognise(given)
    except InputError:
        return _of_folder(run, given)
    options = run.recipe.data.options if name == run.recipe.data.name else {}
    return _of_data(
        with_data(run.recipe, name=name, root=given.absolute(), options=options), f"the training split of {given}"
    )


def _of_data(recipe: Recipe, source: str) -> tuple[Tensor, str]:
    try:
        data = open_whole(recipe, needed=())
        split = Split(data.train.read, data.train.items, data.test.transform)
        if not len(split):
            raise InputError("it has no image")
        images = torch.stack([split[index]["image"].as_subclass(Tensor) for index in spread_over(len(split), IMAGES)])
    except InputError as error:
        raise InputError(f"int8 is calibrated on {source}, which cannot be read: {error}") from error
    return images, f"{len(images)} images of {source}"


def _of_folder(run: Run, folder: Path) -> tuple[Tensor, str]:
    about = about_run(run)
    channels = about.normalisation.channels
    files, faults = find_photos([folder], arrays=channels != 3)
    files = [file for file in files if file.suffix.lower() not in VIDEOS]
    if not files:
        raise InputError(faults[0] if faults else f"{folder} has only videos, expected pictures to calibrate int8 on")
    chosen = [files[index] for index in spread_over(len(files), IMAGES)]
    pixels = [as_channels(read_image(file), channels, str(file)) for file in chosen]
    images = torch.stack([torch.from_numpy(about.prepare(image, about.size)) for image in pixels])
    return images, f"{len(images)} images of {folder}"
