"""Pseudo-terminals with an emulated screen: what somebody sees who runs a command."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyte


@dataclass
class Seen:
    """What was on the screen, with all that has left it at the top: at the end (`rows`), and after every change."""

    rows: list[str]
    states: list[list[str]]
    status: int
    cursor: bool
    colours: set[str]

    @property
    def lines(self) -> list[str]:
        """The rows without the blanks at their ends."""
        return [row.rstrip() for row in self.rows]

    @property
    def text(self) -> str:
        """All that is there at the end, lines joined that the terminal broke."""
        return " ".join("".join(self.rows).split())


def run_on_terminal(
    words: Sequence[str],
    columns: int,
    rows: int = 24,
    environment: Mapping[str, str] = {},
    narrower: tuple[str, int] | None = None,
) -> Seen:
    """Run a program on a terminal of this size to its end.

    `narrower` is a text and a number of columns: once the text is seen, the window is made that narrow.
    """
    screen = pyte.HistoryScreen(columns, rows, history=1000, ratio=0.5)
    stream = pyte.ByteStream(screen)
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(words[0], list(words), {**os.environ, "TERM": "xterm-256color", **environment})
    _set_size(terminal, columns, rows)
    states, colours = [], {"default"}
    while data := _read(terminal):
        stream.feed(data)
        states.append(_lines(screen))
        colours |= {cell.fg for line in screen.buffer.values() for cell in line.values()}
        if narrower and narrower[0] in " ".join(states[-1]):
            _set_size(terminal, narrower[1], rows)
            screen.resize(rows, narrower[1])
            narrower = None
    _, status = os.waitpid(process, 0)
    return Seen(_rows(screen), states, os.waitstatus_to_exitcode(status), not screen.cursor.hidden, colours)


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, the other end has closed
        return b""


def _rows(screen: pyte.HistoryScreen) -> list[str]:
    past = ["".join(line[x].data for x in range(screen.columns)) for line in screen.history.top]
    return [*past, *screen.display]


def _lines(screen: pyte.HistoryScreen) -> list[str]:
    lines = [row.rstrip() for row in _rows(screen)]
    while lines and not lines[-1]:
        lines.pop()
    return lines
