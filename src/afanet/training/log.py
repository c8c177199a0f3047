"""A row for every epoch in a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path
from time import perf_counter
from typing import Any

from lightning import Callback, LightningModule, Trainer


class EpochLog(Callback):
    """Writes `file`: epoch, optimiser step, seconds since the start, learning rate, mean losses of the epoch.

    The learning rate is that of the epoch's last step in the first group, the backbones'.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.started = 0.0
        self.rate = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = perf_counter()

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        # After the step the schedule has already moved on.
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "seconds": round(perf_counter() - self.started, 1),
            "lr": self.rate,
        } | {key: value.item() for key, value in trainer.callback_metrics.items() if key.startswith("loss")}
        with self.file.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, row)
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
