"""What a person sees while a network trains: a bar on a terminal, one line an epoch everywhere."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def say(line: str) -> None:
    """One plain line on the standard error, where progress goes."""
    Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time that is easy to read.

    >>> duration(42.3), duration(3725)
    ('42 s', '62 min 5 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class ProgressCallback(Callback):
    """Losses and time left after every epoch; between them a bar, if the standard error is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("")
        self.started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = perf_counter()
        self.bar.reset(self.task, total=trainer.estimated_stepping_batches, description="training")
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.bar.update(self.task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = trainer.global_step / trainer.estimated_stepping_batches
        spent = perf_counter() - self.started
        losses = [
            f"{key.removeprefix('loss/')} {value.item():.4f}"
            for key, value in trainer.callback_metrics.items()
            if key.startswith("loss/")
        ]
        left = f"{duration(spent)}, {duration(spent / done - spent)} left" if done < 1 else duration(spent)
        say(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  loss: {', '.join(losses)}  ({left})")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.bar.reset(self.task, total=sum(trainer.num_val_batches), description="evaluation")
        self.bar.start()

    def on_validation_batch_end(self, *args: Any) -> None:
        self.bar.advance(self.task)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.bar.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.bar.stop()
