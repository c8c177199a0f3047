"""Features of a frozen trunk that `afanet data prepare --features` keeps: computed once, then read in training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from afanet.data import Batch, Collate, Data, Split
from afanet.data.cache import fingerprint
from afanet.data.features import (
    KeptFeatures,
    Stored,
    features_folder,
    stored_features,
    write_features,
)
from afanet.distributed.device import answering, find_device
from afanet.errors import InputError
from afanet.networks.trunk import Trunk
from afanet.progress import say
from afanet.runs.setup import data_cache
from afanet.training.feature_facts import changes_images, fault, image_facts, paths, trunk_facts
from afanet.training.job import Job
from afanet.training.loaders import Seeded

BATCH = 8  # images in one pass of the trunk
ROUNDING = 0.01  # of the largest value: how far features may differ between machines


def prepare_features(job: Job, views: int, workers: int, advance: Callable[[int], None]) -> tuple[Path, bool]:
    """Keep the features of a job's frozen trunk for each training image; returns the folder and whether it is new.

    Args:
        job: a prepared job.
        views: the number of augmented views of each image; 0 for the image as evaluation sees it.
        workers: processes that read images.
        advance: called after each batch with its number of rows.

    Raises:
        InputError: for a network without a frozen trunk that all tasks share, and as `write_features` does.
    """
    recipe, trunk, device = job.recipe, require_trunk(job, views), find_device(job.recipe.device)
    seed = recipe.seed if views else 0
    description = trunk_facts(job, trunk, job.network.state_dict()) | image_facts(job, views, seed)
    folder = data_cache(recipe)
    path = features_folder(folder, fingerprint(job.data, folder), description)
    rows = rows_to_keep(job, views)

    def batches() -> Iterator[Batch]:
        job.network.to(device).eval()
        loader = DataLoader(
            _images(job, views, seed),
            sampler=_draws(job, views),
            batch_size=BATCH,
            num_workers=workers,
            collate_fn=Collate(job.data.tasks),
        )
        for number, batch in enumerate(loader):
            images = batch["image"].to(device)
            features = trunk.features(job.network, images)
            if number == 0:
                _require_same(job.network, trunk, images, features)
            batch["features"] = {name: x.cpu() for name, x in features.items()}
            yield batch

    with answering(device):
        return path, write_features(path, description, rows, batches(), advance)


def rows_to_keep(job: Job, views: int) -> int:
    """How many rows `prepare_features` writes: one for each view of each training image."""
    return len(job.data.train) * max(views, 1)


def find_features(job: Job, saved: Mapping[str, Any]) -> Split | None:
    """The training split as kept features, if some exist for this trunk, these images and this content.

    Prints which are read, or why none of the existing ones are. Of several, those with the most views are read.

    Args:
        job: a prepared job.
        saved: the state from which training resumes, empty at its beginning.

    Raises:
        InputError: if the features to be read are damaged, or differ from what the trunk computes.
    """
    trunk: Trunk | None = getattr(job.network, "trunk", None)
    if job.teachers is not None:
        return None  # teachers need the images
    folder = data_cache(job.recipe)
    begun = saved.get("features", "") if saved else None
    if trunk is None or begun == "" or job.recipe.data.features == "none":
        return None
    stored = list(stored_features(folder))
    if not stored and not begun:
        return None
    tensors = saved["learner"]["network"] if saved else job.network.state_dict()
    facts, content = trunk_facts(job, trunk, tensors), fingerprint(job.data, folder)
    for kept in stored:
        if kept.damage and kept.path in (folder / (begun or ""), *paths(job, folder, content, facts)):
            raise InputError(kept.damage)
    faults = {kept: fault(job, facts, content, kept) for kept in stored}
    fitting = [kept for kept in stored if faults[kept] is None and begun in (None, kept.path.name)]
    if begun and not fitting:
        raise InputError(
            f"the run began with the kept features in {folder / begun}, which no longer exist: run `afanet data "
            "prepare` with --features again, or train again from the start"
        )
    if not fitting:
        for kept in stored[-1:]:
            say(f"the kept features in {kept.path} are not read ({faults[kept]}): each step computes the frozen trunk")
        return None
    kept = max(fitting, key=lambda kept: kept.views)
    read = KeptFeatures(kept.path)
    with torch.random.fork_rng(devices=[]):
        _check(job, trunk, kept, read, weights=not saved)
    seen = f"{kept.views} augmented views of each image" if kept.views else "each image once, without augmentation"
    say(f"reading features of the frozen trunk from {kept.path}: {seen}")
    return read.split()


def lacks_augmentation(job: Job, seen: Data) -> bool:
    """Whether a run that trains on `seen` reads features without the augmentation that its recipe asks for."""
    read = seen.train.read
    if not isinstance(read, KeptFeatures) or read.augmented:
        return False
    return changes_images(job)


def require_trunk(job: Job, views: int) -> Trunk:
    """The frozen trunk that all tasks of a job share.

    Raises `InputError` if there is none, and for random crops without `views`.
    """
    trunk: Trunk | None = getattr(job.network, "trunk", None)
    if trunk is None:
        network = job.recipe.network
        reason = "no stage of the backbone is frozen"
        if network.freeze not in (None, "norms"):
            reason = f"method '{network.method}' reads more of this backbone than a frozen trunk gives at its end"
        raise InputError(
            f"there are no features to keep, since {reason}: give --freeze backbone or --freeze stages:N, with a "
            "method such as hard"
        )
    if job.recipe.data.features == "none":
        raise InputError("data.features is none, so training would not read the features: leave it out")
    if job.recipe.data.crop and not views:
        raise InputError(
            "data.crop cuts a random part of each image, and only one would be kept: give --views, or leave "
            "data.crop out"
        )
    return trunk


def _images(job: Job, views: int, seed: int) -> Any:
    """The training images by draw, as `Seeded` takes them, with `views`; else by number, as evaluation sees them."""
    train = job.data.train
    if views:
        return Seeded(train, seed, job.recipe.data.crop)
    return Split(train.read, train.items, job.data.test.transform)


def _draws(job: Job, views: int) -> list[Any]:
    count = len(job.data.train)
    return [(view * count + i, i) for view in range(views) for i in range(count)] if views else list(range(count))


def _require_same(network: nn.Module, trunk: Trunk, images: Tensor, features: Mapping[str, Tensor]) -> None:
    """Raise `InputError` if the network's outputs from features differ from those from the images."""
    with torch.no_grad():
        expected = network(images)
        with trunk.given(network, features):
            answers = network(torch.zeros_like(images))
    for task, values in expected.items():
        if not torch.allclose(answers[task], values, atol=ROUNDING * float(values.abs().max())):
            raise InputError(
                f"the outputs of task '{task}' from kept features differ from those from the images: freeze the whole "
                "backbone, or train without kept features"
            )


def _check(job: Job, trunk: Trunk, kept: Stored, read: KeptFeatures, weights: bool) -> None:
    """Compute the features of the first and the last row again; raise `InputError` if the kept ones differ.

    Without `weights`, when a checkpoint is still to be loaded, only shapes are compared, as for labels.
    """
    draws, images = _draws(job, kept.views), _images(job, kept.views, kept.description["seed"])
    job.network.eval()
    for row in (0, len(draws) - 1):
        batch, sample = Collate(job.data.tasks)([images[draws[row]]]), read.row(row)
        image, ours = batch["image"], sample.get("features", {})
        labels = {task: (x.shape[1:], x.dtype) for task, x in batch["targets"].items()}
        kept_labels = {task: (x.shape, x.dtype) for task, x in sample["targets"].items()}
        if image.shape[1:] != read.shape or labels != kept_labels:
            raise InputError(
                f"{kept.path} has images or labels of other shapes than {read.ids[row]} has: remove the folder, and "
                "run `afanet data prepare` with --features again"
            )
        for name, x in trunk.features(job.network, image).items():
            same = name in ours and ours[name].shape == x.shape[1:]
            if not same or (weights and _far(ours[name].float(), x[0])):
                raise InputError(
                    f"{kept.path} has other features of {read.ids[row]} than this backbone with these weights gives: "
                    "remove the folder, and run `afanet data prepare` with --features again"
                )


def _far(kept: Tensor, computed: Tensor) -> bool:
    return not float((kept - computed).abs().max()) <= ROUNDING * float(computed.abs().max())  # also where one is NaN
