"""Facts that decide kept features, for their description: the trunk, and the images that it sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

from torch import Tensor

from afanet.data.features import Description, Stored, features_folder
from afanet.data.sample import Transform
from afanet.data.steps import every_step
from afanet.limits import MOST_VIEWS
from afanet.networks.trunk import Trunk
from afanet.training.job import Job

if TYPE_CHECKING:
    from afanet.networks.backbones import Backbone
    from afanet.networks.woven import Woven

FORMAT = 2  # the version of the files, and of how features are computed
# The entries of a description, in words for a sentence about features that do not fit.
WHAT = {
    "format": "another version of afanet",
    "backbone": "another backbone",
    "layers": "other frozen stages",
    "takes": "other stages than these heads take",
    "taps": "other taps of the backbone",
    "weights": "other weights",
    "architecture": "a backbone of other options",
    "images": "images prepared in another way",
    "window": "images of another size",
    "timm": "another version of timm",
}


def trunk_facts(job: Job, trunk: Trunk, tensors: Mapping[str, Tensor]) -> Description:
    """The facts that decide the features of a trunk with these weights, as plain values."""
    branch = f"branches.{cast('Woven', job.network).tasks[0]}."  # the order of tasks does not matter for features
    body = cast("Backbone", job.network.get_submodule(f"{branch}backbone"))
    weights = blake2b(digest_size=16)
    for name, tensor in trunk.state(tensors).items():
        weights.update(f"{name.removeprefix(branch)} {tuple(tensor.shape)} {tensor.dtype}".encode())
        weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    layers = [repr(job.network.get_submodule(layer)) for layer in trunk.layers]
    return {
        "format": FORMAT,
        "backbone": job.recipe.network.backbone,
        "layers": [layer.removeprefix(branch) for layer in trunk.layers]
        + [f"kept: {layer.removeprefix(branch)}" for layer in trunk.kept],
        "takes": None if body.takes is None else list(body.takes),
        "taps": [*body.tapped, *body.indices],
        "architecture": blake2b("\n".join(layers).encode(), digest_size=16).hexdigest(),
        "weights": weights.hexdigest(),
        "timm": version("timm"),
    }


def image_facts(job: Job, views: int, seed: int) -> Description:
    """The facts that decide the images that a trunk sees, as plain values."""
    transform = job.data.train.transform if views else job.data.test.transform
    return {
        "images": step_facts(transform),
        "window": list(job.recipe.data.window),
        "views": views,
        "seed": seed,
    }


def step_facts(transform: Transform) -> list[str]:
    """The facts that decide the images that a transform makes, as a text for each of its steps."""
    return [re.sub(r" at 0x[0-9a-f]+", "", repr(step)) for step in every_step(transform)]


def changes_images(job: Job) -> bool:
    """Whether training, unlike evaluation, sees a different image each time."""
    return bool(job.recipe.data.crop) or image_facts(job, 1, 0)["images"] != image_facts(job, 0, 0)["images"]


def paths(job: Job, folder: Path, content: str, facts: Description) -> Iterator[Path]:
    """The folders with features of this trunk, with any number of views drawn with the run's seed."""
    for augmented in (False, True):
        description = facts | image_facts(job, augmented, job.recipe.seed if augmented else 0)
        for views in range(1, MOST_VIEWS + 1) if augmented else [0]:
            yield features_folder(folder, content, description | {"views": views})


def fault(job: Job, facts: Description, content: str, kept: Stored) -> str | None:
    """Why a run cannot read kept features, in words; None if it can."""
    if kept.damage:
        return "the folder is damaged: remove it"
    if job.recipe.network.compile:
        return "network.compile includes the trunk"
    wanted = facts | image_facts(job, kept.views, kept.description["seed"])
    for key, words in WHAT.items():
        if wanted[key] != kept.description.get(key):
            return f"they are of {words}"
    return None if kept.content == content else "they are of these data before a file changed"
