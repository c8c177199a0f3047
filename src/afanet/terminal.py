"""Printing for people: consoles for the standard output and error, and tables that fit the width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text, TextType

from afanet.streams import encodable

BORDERS = 3  # characters beside the text of a column: two spaces and a line, and there is one line more than columns


def console(*, stderr: bool = False) -> Console:
    """A console for the standard output, or for the standard error."""
    return Console(stderr=stderr, highlight=False)


def moves(shown: Console) -> bool:
    """Whether a console can overwrite what it has written: it is on a terminal, and not a dumb one.

    `FORCE_COLOR` does not make a pipe a terminal.
    """
    return shown.is_interactive and not shown.is_dumb_terminal and shown.file.isatty()


def show(table: Table, keys: int = 1) -> None:
    """Print a table on the standard output; if it is too wide, in parts of as many columns as fit.

    Every part begins with the first `keys` columns, and the caption is below the last.
    Columns with `no_wrap` are never broken; the others break between words only.
    """
    shown = console()
    for part in in_parts(table, keys, shown):
        shown.print(part)


def in_parts(table: Table, keys: int, shown: Console) -> Iterator[Table]:
    """The table in parts that fit the width of a console, in characters that the console has."""
    columns = [_Cells(column, shown) for column in table.columns]
    part: list[_Cells] = []
    for column in columns:
        if len(part) > keys and _width([*part, column]) > shown.width:
            yield _fitted(table, part, shown)
            part = columns[:keys]
        part = [*part, column]
    yield _fitted(table, part, shown, table.caption)


class _Cells:
    """A column: its cells as text, the fewest characters that it needs (`least`) and the most that it can use."""

    def __init__(self, column: Column, shown: Console) -> None:
        self.column = column
        self.header, *self.cells = (_text(cell, shown) for cell in (column.header, *column.cells))
        sizes = [Measurement.get(shown, shown.options.update(width=10**6), text) for text in (self.header, *self.cells)]
        self.most = max(size.maximum for size in sizes)
        self.least = self.most if column.no_wrap else max(size.minimum for size in sizes)


def _text(cell: object, shown: Console) -> Text:
    """A cell as text in characters that the console has."""
    markup = cell.markup if isinstance(cell, Text) else str(cell)
    return shown.render_str(encodable(markup, shown.encoding), highlight=False, emoji=False)


def _width(part: Sequence[_Cells]) -> int:
    return 1 + sum(column.least + BORDERS for column in part)


def _fitted(table: Table, part: Sequence[_Cells], shown: Console, caption: TextType | None = None) -> Table:
    """A table of the columns of a part."""
    new = Table(box=table.box, pad_edge=table.pad_edge, caption=caption)
    for column, width in zip(part, _widths(part, shown.width - _width(part)), strict=True):
        style = column.column
        new.add_column(column.header, justify=style.justify, width=width, overflow="fold")
    for number, row in enumerate(table.rows):
        new.add_row(*(column.cells[number] for column in part), end_section=row.end_section, style=row.style)
    return new


def _widths(part: Sequence[_Cells], spare: int) -> list[int]:
    """The widths of columns that share `spare` characters beyond the least; if it is negative, the widest give way.

    Each character goes to the column that needs most lines for its longest cell.
    """
    widths = [column.least for column in part]
    while spare < 0 and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
        spare += 1
    while spare > 0:
        lines = [column.most / width if column.most > width else 0 for column, width in zip(part, widths, strict=True)]
        if not any(lines):
            break
        widths[lines.index(max(lines))] += 1
        spare -= 1
    return widths
