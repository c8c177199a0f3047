"""A recipe's own training step on generated images and labels: what the benchmarks of a whole step share."""

from __future__ import annotations

import torch
from lightning.fabric import Fabric

from afanet.data import Batch
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network
from afanet.tasks import Depth, Normals, Segmentation, Task
from afanet.training.learner import Learner

CLASSES = 13


def tasks_of(recipe: Recipe) -> dict[str, Task]:
    """Segmentation and depth, and normals where the recipe has them."""
    names = [f"class {number}" for number in range(CLASSES)]
    tasks: dict[str, Task] = {"segmentation": Segmentation(names), "depth": Depth()}
    return tasks | ({"normals": Normals()} if recipe.data.options.get("normals") else {})


def generated(recipe: Recipe, device: str, batches: int = 1) -> list[Batch]:
    """Batches of the recipe's size, which are one batch of `batch_size` in parts."""
    generator = torch.Generator().manual_seed(0)
    count, size = recipe.batch_size // batches, recipe.data.window

    def batch() -> Batch:
        targets = {
            "segmentation": torch.randint(CLASSES, (count, *size), generator=generator),
            "depth": 1 + torch.rand(count, 1, *size, generator=generator),
            "normals": torch.nn.functional.normalize(torch.randn(count, 3, *size, generator=generator), dim=1),
        }
        wanted = {task: targets[task].to(device) for task in tasks_of(recipe)}
        image = torch.randn(count, recipe.network.in_chans, *size, generator=generator).to(device)
        return {"image": image, "targets": wanted, "id": [str(number) for number in range(count)]}

    return [batch() for _ in range(batches)]


def learner_of(recipe: Recipe, device: str) -> Learner:
    """The recipe's learner with random weights, as `afanet train` makes it, which never comes to its last step."""
    torch.manual_seed(0)
    tasks = tasks_of(recipe)
    precision = "bf16-mixed" if recipe.precision == "bf16" else "32-true"
    fabric = Fabric(accelerator=device, devices=1, precision=precision)
    network = build_network(recipe, tasks, "none").to(fabric.device)
    learner = Learner(fabric, network, tasks, recipe, 10**6)
    learner.train()
    return learner
