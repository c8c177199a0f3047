"""One training step: a batch through the network, each task's loss, their sum."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torchmetrics import MetricCollection

from afanet.data import Batch
from afanet.tasks import Task
from afanet.training.optimisation import create_optimizer, create_schedule
from afanet.training.recipe import Recipe


class MultiTaskModule(LightningModule):
    """A network that learns several tasks from one image, all losses with equal weight.

    `network(images)` gives `{task: logits}` for the tasks in `tasks`. Logs `loss/TASK` and their sum `loss` as means
    over the epoch; `scores` has every task's metrics over the set that was validated last.
    """

    def __init__(self, network: nn.Module, tasks: dict[str, Task], recipe: Recipe) -> None:
        super().__init__()
        self.network = network
        # Not `network.to`, which fails on parameters of five axes, as cross-stitch has.
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self.tasks = tasks
        self.recipe = recipe
        self.scores: dict[str, dict[str, float]] = {}
        self.metrics = nn.ModuleDict({name: task.metrics() for name, task in tasks.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits by task."""
        logits: dict[str, Tensor] = self.network(images.contiguous(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: Batch, index: int) -> Tensor:
        logits = self(batch["image"])
        losses = {f"loss/{name}": task.loss(logits[name], batch["targets"][name]) for name, task in self.tasks.items()}
        loss = torch.stack(list(losses.values())).sum()
        size = len(batch["id"])
        self.log_dict(losses | {"loss": loss}, on_step=False, on_epoch=True, batch_size=size)
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        logits = self(batch["image"])
        for name, task in self.tasks.items():
            self._metrics(name).update(task.predict(logits[name]), batch["targets"][name])

    def on_validation_epoch_end(self) -> None:
        for name in self.tasks:
            metrics = self._metrics(name)
            self.scores[name] = {key: float(value) for key, value in metrics.compute().items()}
            metrics.reset()

    def configure_optimizers(self) -> Any:
        optimizer = create_optimizer(self.network, self.recipe.optimizer)
        schedule = create_schedule(optimizer, self.recipe.schedule, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _metrics(self, name: str) -> MetricCollection:
        metrics = self.metrics[name]
        assert isinstance(metrics, MetricCollection)
        return metrics
