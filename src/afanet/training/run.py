"""A training run and its evaluation, from a recipe to a folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from afanet.data import Batch, Collate, Data, Split
from afanet.errors import InputError
from afanet.tasks import Task
from afanet.training.checkpoint import load_checkpoint
from afanet.training.cost import flops, parameters
from afanet.training.device import find_device, find_precision
from afanet.training.folder import RunFolder, default_folder
from afanet.training.loaders import plain_errors, read_once, scoring_loader, train_loader
from afanet.training.log import EpochLog
from afanet.training.module import MultiTaskModule
from afanet.training.progress import ProgressCallback, say
from afanet.training.recipe import Recipe
from afanet.training.setup import build_network, create_trainer, open_tasks, quiet

EXAMPLES = 4


@dataclass(frozen=True)
class Run:
    """What came of a run: its folder, its figures, and what it predicts for a few test samples.

    `results["tasks"][TASK][METRIC]` are the figures over the test split after the last epoch, `results["validation"]`
    those over the validation split, if there is one.
    """

    folder: RunFolder
    results: dict[str, Any]
    tasks: dict[str, Task]
    examples: Batch
    predictions: dict[str, Tensor]


def train(recipe: Recipe, out: Path | None = None) -> Run:
    """Train by `recipe` and keep everything in the folder `out`, which must be new or empty.

    The figures are those of the last epoch on the test split: no epoch is chosen by them. Raises
    `InputError` for anything in the recipe or the data that cannot be used, and then leaves no folder behind.
    """
    folder = RunFolder.fresh(out or default_folder(recipe))
    device = find_device(recipe.device)
    recipe = recipe.model_copy(update={"precision": find_precision(recipe.precision, device)})
    seed_everything(recipe.seed, workers=True, verbose=False)
    data, tasks = open_tasks(recipe)
    network = build_network(recipe, tasks, recipe.network.weights)
    say(data.describe)
    if network.weights_report:
        say(str(network.weights_report))
    batches = train_loader(data, recipe)
    with plain_errors():
        for split in scored_splits(data).values():
            read_once(scoring_loader(data, split, recipe))

    module = MultiTaskModule(network, tasks, recipe)
    cost = {"parameters": parameters(network), "flops": flops(network, recipe.data.size)}
    last = ModelCheckpoint(folder.path, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    folder.create(recipe)
    try:
        with quiet(), plain_errors():
            trainer = create_trainer(recipe, device, [ProgressCallback(), EpochLog(folder.log), last])
            # Again, so that what was drawn for weights and for reading the data does not decide how it goes on.
            torch.manual_seed(recipe.seed)
            started = perf_counter()
            trainer.fit(module, batches)
            trained = perf_counter()
            scores = score(trainer, module, data, recipe)
    except InputError:
        if not folder.checkpoint.exists():  # what was learnt is kept, though a file failed later
            shutil.rmtree(folder.path)
        raise
    results = {
        "recipe": recipe.name,
        "method": recipe.network.method,
        **scores,
        "data": data.describe,
        "weights": network.weights_report,
        "epochs": trainer.current_epoch,
        "steps": trainer.global_step,
        "seconds": {"training": trained - started, "evaluation": perf_counter() - trained},
        **cost,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }
    folder.write(folder.metrics, results)
    return Run(folder, results, tasks, *predict_examples(module, data))


def evaluate(path: Path, device: str | None = None) -> Run:
    """The figures of the run in folder `path` on its test split, from its last checkpoint; kept in evaluation.json.

    On the kind of machine it was trained on they equal those at the end of training bit for bit. Raises `InputError`
    where the folder is none of a run, or the checkpoint is one of another network.
    """
    folder = RunFolder.existing(path)
    if (results := folder.read_metrics()) is not None:
        # How many threads share a sum decides its last bits.
        torch.set_num_threads(results["threads"])
    recipe = folder.read_recipe()
    place = find_device(device or recipe.device)
    data, tasks = open_tasks(recipe)
    module = MultiTaskModule(build_network(recipe, tasks, weights="none"), tasks, recipe)
    load_checkpoint(module, folder.checkpoint)
    with quiet(), plain_errors():
        trainer = create_trainer(recipe, place, [ProgressCallback()])
        scores = score(trainer, module, data, recipe)
    results = {"recipe": recipe.name, "method": recipe.network.method, **scores}
    folder.write(folder.evaluation, results)
    return Run(folder, results, tasks, *predict_examples(module, data))


def scored_splits(data: Data) -> dict[str, Split]:
    """The splits that are scored, by the key of their figures: `tasks` is the test split's."""
    return {"tasks": data.test} | ({"validation": data.validation} if data.validation else {})


def score(
    trainer: Trainer, module: MultiTaskModule, data: Data, recipe: Recipe
) -> dict[str, dict[str, dict[str, float]]]:
    """The figures of every scored split: `tasks[TASK][METRIC]` and, where it is held out, `validation` alike."""
    scores = {}
    for key, split in scored_splits(data).items():
        trainer.validate(module, scoring_loader(data, split, recipe), verbose=False)
        scores[key] = dict(module.scores)
    return scores


def predict_examples(module: MultiTaskModule, data: Data) -> tuple[Batch, dict[str, Tensor]]:
    """Test samples from all over the split, and what the network predicts for them in float32 on the CPU."""
    count = len(data.test)
    chosen = torch.linspace(0, count - 1, min(EXAMPLES, count)).long().tolist()
    batch = Collate(data.tasks)([data.test[index] for index in chosen])
    with torch.inference_mode():
        logits = module.cpu().eval()(batch["image"])
    return batch, {name: task.predict(logits[name]) for name, task in module.tasks.items()}


def versions() -> dict[str, str]:
    """The versions of what computed the figures."""
    return {package: version(package) for package in ("afanet", "torch", "timm", "lightning", "torchmetrics")}
