"""Progress: on a terminal, bars below the lines that are printed meanwhile; everywhere else, lines alone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from afanet.distributed.started import is_main_process
from afanet.streams import encodable
from afanet.terminal import console, moves

WIDEST = 79  # characters of a bar: a longer one would leave remains in a window that is made narrower
PAUSE = 0.1  # seconds between two drawings of a bar
Cropped = partial(Column, no_wrap=True, overflow="crop")


def say(line: str) -> None:
    """Print one plain line on the standard error, above the bars; of several processes, only the main one prints."""
    if _speaks():
        shown = _Display.current.console if _Display.current else console(stderr=True)
        shown.print(line, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time that is easy to read.

    >>> duration(42.3), duration(3725)
    ('42 s', '62 min 5 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Bar:
    """On a terminal, a bar that fills over `total` steps and disappears at the end; nested bars are below one another.

    Elsewhere, `line` is printed at the beginning, unless it is empty.
    """

    def __init__(self, total: int, doing: str, done: int = 0, line: str = "") -> None:
        self.total, self.doing, self.done, self.line = total, doing, done, line
        self.display: _Display | None = None
        self.task = TaskID(0)

    def __enter__(self) -> Self:
        self.display = _Display.join()
        if self.display:
            doing = encodable(self.doing, self.display.console.encoding)
            self.task = self.display.add_task(doing, total=self.total, completed=self.done, losses="")
        elif self.line:
            say(self.line)
        return self

    def __exit__(self, *error: object) -> None:
        if self.display:
            self.display.remove_task(self.task)
            self.display.leave()

    def advance(self, steps: int = 1, losses: Mapping[str, float] = {}) -> None:
        """Count this many steps as done, the last of them with these losses."""
        if self.display:
            self.display.update(self.task, advance=steps, losses=_list(losses))
            self.display.draw()

    def epoch(self, epoch: int, epochs: int, losses: Mapping[str, float], seconds: float, done: float) -> None:
        """Print a line at the end of an epoch: its losses, the time so far and, by the share `done`, the time left."""
        left = f"{duration(seconds)}, {duration(seconds / done - seconds)} left" if done < 1 else duration(seconds)
        say(f"epoch {epoch}/{epochs}  loss: {_list(losses)}  ({left})")


class _Display(Progress):
    """The bars of this process: there is one display at a time, through which all lines are printed.

    The working thread draws it: a forked loader worker would inherit the locks of a drawing thread.
    """

    current: _Display | None = None

    def __init__(self, shown: Console) -> None:
        super().__init__(
            TextColumn("{task.description}", markup=False, table_column=Cropped(max_width=30)),
            BarColumn(bar_width=20, table_column=Cropped()),
            MofNCompleteColumn(table_column=Cropped()),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=Cropped()),
            # the rest of the line, so that many losses leave room for the other columns
            TextColumn("{task.fields[losses]}", markup=False, table_column=Cropped(ratio=1)),
            console=shown,
            auto_refresh=False,
            transient=True,
            expand=True,
            redirect_stdout=bool(sys.stdout and sys.stdout.isatty()),  # lines for a file stay in it
        )
        self.bars = 0
        self.shown_at = 0.0

    @classmethod
    def join(cls) -> _Display | None:
        """The display with room for one more bar; None if no bars are shown."""
        shown = cls.current
        if shown is None:
            on = console(stderr=True)
            if not (_speaks() and moves(on)):
                return None
            shown = cls.current = cls(on)
            shown.start()
        shown.bars += 1
        return shown

    def leave(self) -> None:
        """End one bar; the last one leaves the terminal as if there had been none."""
        self.bars -= 1
        self.refresh()
        if not self.bars:
            _Display.current = None
            self.stop()

    def draw(self) -> None:
        """Draw the bars, unless they were drawn just now."""
        if monotonic() - self.shown_at >= PAUSE:
            self.refresh()
            self.shown_at = monotonic()

    def get_renderable(self) -> RenderableType:
        """The bars, none of them wider than `WIDEST`."""
        return Constrain(super().get_renderable(), WIDEST)


def _speaks() -> bool:
    """Whether this process prints: only the main one does. Wrong settings of its launcher are refused elsewhere."""
    try:
        return is_main_process()
    except ValueError:
        return True


def _list(losses: Mapping[str, float]) -> str:
    return ", ".join(f"{task} {loss:.4f}" for task, loss in losses.items())
