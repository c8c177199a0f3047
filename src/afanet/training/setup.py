"""From a recipe to the things a run is made of: tasks, network, trainer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning import Callback, Trainer
from torch import nn

from afanet.data import Data, open_data
from afanet.data.cache import config_folder, use_cache
from afanet.data.leaks import leaks
from afanet.errors import InputError, unknown
from afanet.networks import create_network
from afanet.tasks import Task
from afanet.training.progress import say
from afanet.training.recipe import Recipe


def open_whole(recipe: Recipe) -> Data:
    """The recipe's data, all of them in order.

    Raises `InputError` for data that cannot be used, for the first problem found in their labels, for a person or scene
    in two splits, and for a split without a sample.
    """
    data = open_data(recipe.data.name, recipe.data.root, recipe.data.size, **recipe.data.options)
    problems = [*data.problems, *leaks(data)]
    if problems:
        more = f", and {len(problems) - 1} more: `afanet data check` lists them" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{more}")
    for name in ("train", "test"):
        if not len(data.splits[name]):
            raise InputError(f"data set '{recipe.data.name}' has no sample in its split {name}: training needs both")
    return data


def open_tasks(recipe: Recipe) -> tuple[Data, dict[str, Task]]:
    """The recipe's data, from their cache if there is one, and those of its tasks that the recipe wants learnt.

    Raises `InputError` for data that cannot be used and for a task that they do not have.
    """
    data, cache = use_cache(open_whole(recipe), data_cache(recipe))
    if cache:
        say(f"reading samples from the cache {cache}")
    wanted = recipe.tasks or tuple(data.tasks)
    for name in wanted:
        if name not in data.tasks:
            raise unknown(f"task of data set {recipe.data.name}", name, data.tasks)
    return data, {name: data.tasks[name] for name in wanted}


def data_cache(recipe: Recipe) -> Path:
    """The folder of the caches of the recipe's data."""
    return config_folder(recipe.data.name, recipe.data.model_dump(mode="json", exclude={"name"}))


def build_network(recipe: Recipe, tasks: dict[str, Task], weights: str) -> nn.Module:
    """The recipe's network for these tasks, its backbones with `weights`."""
    return create_network(
        recipe.network.method,
        {name: task.output for name, task in tasks.items()},
        recipe.network.backbone,
        weights=weights,
        size=recipe.data.size,
        output_stride=recipe.network.output_stride,
    )


def create_trainer(recipe: Recipe, device: torch.device, callbacks: Sequence[Callback]) -> Trainer:
    """A Lightning trainer for one device, deterministic, which keeps and prints only what the callbacks do."""
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else device.type,
        devices=[device.index] if device.type == "cuda" else 1,
        precision="bf16-mixed" if recipe.precision == "bf16" else "32-true",
        max_epochs=recipe.epochs,
        max_steps=recipe.steps or -1,
        callbacks=list(callbacks),
        # Some gradients have no deterministic form on CUDA; those warn rather than fail.
        deterministic="warn",
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its announcements, hints and tips; its errors and torch's warnings stay."""
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
