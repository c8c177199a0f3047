"""What kept features of a frozen backbone bring: training steps a second with and without them, and the scores.

    python benchmarks/features.py [--backbone vit_small_patch16_224] [--head linear] [--size 96 128] [--rounds 3]

The recipe `rooms` by the method `single` on one frozen backbone with random weights, so it says something of speed
alone. Both ways take turns in one process, each with the recipe's loader: from images, which are generated, augmented
and go through the backbone, and from features as `afanet data prepare --features` keeps them. A step is forward,
backward and the optimiser, the wait for its samples included. Then both train for `--epochs`, without augmentation, and
the largest difference between their scores is printed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from lightning.fabric import Fabric

from afanet.data import Batch, Data
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.training.features import find_features, prepare_features
from afanet.training.job import Job, prepare
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader
from afanet.training.run import train
from timing import Work, in_turns


def batches(data: Data, recipe: Recipe) -> Iterator[Batch]:
    """Training batches without an end."""
    loader: Any = train_loader(data, recipe)
    return chain.from_iterable(repeat(loader))


def steps_of(learner: Learner, stream: Iterator[Batch], steps: int) -> Work:
    """A function that takes so many steps, and waits for their samples."""

    def work() -> None:
        for _ in range(steps):
            learner.learn([next(stream)])

    return work


def learner_of(job: Job) -> Learner:
    """A learner of the job's network, which takes as many steps as it is asked for."""
    learner = Learner(Fabric(accelerator="cpu"), job.network, job.tasks, job.recipe, 10**6)
    learner.train()
    return learner


def measure(recipe: Recipe, rounds: int, steps: int) -> tuple[float, float, float]:
    """Steps a second from images and from features, and the median of the rounds' ratios."""
    job = prepare(recipe)
    start = perf_counter()
    folder, _ = prepare_features(job, 0, recipe.workers, lambda rows: None)
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"features of {len(job.data.train)} images in {perf_counter() - start:.0f} s, {megabytes:.0f} MB")
    features = find_features(job, {})
    assert features is not None
    learner = learner_of(job)
    images, kept = batches(job.data, recipe), batches(replace(job.data, train=features), recipe)
    work = {"images": steps_of(learner, images, steps), "features": steps_of(learner, kept, 5 * steps)}
    times = in_turns(work, rounds, "cpu").seconds
    speeds = [(steps / a, 5 * steps / b) for a, b in zip(times["images"], times["features"], strict=True)]
    from_images, from_features = (median(speed) for speed in zip(*speeds, strict=True))
    return from_images, from_features, median(b / a for a, b in speeds)


def main() -> None:
    """Print the speeds, their ratio and the difference in scores."""
    parser = argparse.ArgumentParser(description="Training from kept features, against training from images.")
    parser.add_argument("--backbone", default="vit_small_patch16_224")
    parser.add_argument("--head", default="linear")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--scenes", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    values = {
        "network.backbone": given.backbone,
        "network.head": given.head,
        "network.method": "single",
        "network.freeze": "backbone",
        "data.size": given.size,
        "data.options.train_scenes": given.scenes,
        "data.options.test_scenes": given.scenes // 2,
        "device": "cpu",
        "precision": "float32",
        "epochs": given.epochs,
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFANET_CACHE"] = f"{folder}/cache"
        from_images, from_features, ratio = measure(load_recipe("rooms", values), given.rounds, given.steps)
        print(
            f"{given.backbone}, {given.head} heads, {given.size[0]}x{given.size[1]}, {torch.get_num_threads()} threads"
        )
        print(f"from images   {from_images:6.2f} steps/s")
        print(f"from features {from_features:6.2f} steps/s, {ratio:.1f} times")
        plain = load_recipe("rooms", values | {"data.options.augment": False})
        uncached = train(plain, Path(folder) / "images").scores
        prepare_features(prepare(plain), 0, plain.workers, lambda rows: None)
        cached = train(plain, Path(folder) / "features").scores
        far, where = max(
            (abs((cached[task][key] or 0) - (value or 0)), f"{task} {key}")
            for task, of_task in uncached.items()
            for key, value in of_task.items()
        )
        print(f"scores after {given.epochs} epochs differ by {far:.5f} at most ({where})")


if __name__ == "__main__":
    main()
