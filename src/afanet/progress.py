"""Progress of training: a bar on a terminal, and one line an epoch everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from afanet.distributed.started import is_main_process


def say(line: str) -> None:
    """Print one plain line on the standard error, where progress goes; of several processes, only the main one does."""
    if is_main_process():
        Console(stderr=True, highlight=False).print(line, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time that is easy to read.

    >>> duration(42.3), duration(3725)
    ('42 s', '62 min 5 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Bar:
    """A bar that fills over `total` steps, if the standard error is a terminal, and a line an epoch."""

    def __init__(self, total: int, doing: str, done: int = 0) -> None:
        console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[losses]}", markup=False),
        )
        shown = console.is_terminal and is_main_process()
        self.progress = Progress(*columns, console=console, transient=True, disable=not shown)
        self.bar = self.progress.add_task(doing, total=total, completed=done, losses="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def advance(self, steps: int = 1, losses: Mapping[str, float] = {}) -> None:
        """Count this many steps as done, the last of them with these losses."""
        self.progress.update(self.bar, advance=steps, losses=_list(losses))

    def epoch(self, epoch: int, epochs: int, losses: Mapping[str, float], seconds: float, done: float) -> None:
        """Print the end of an epoch: its losses, the time so far and, from the share that is done, the time left."""
        left = f"{duration(seconds)}, {duration(seconds / done - seconds)} left" if done < 1 else duration(seconds)
        say(f"epoch {epoch}/{epochs}  loss: {_list(losses)}  ({left})")


def _list(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{task} {loss:.4f}" for task, loss in losses.items())
