"""What a check of a data set found, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from afanet.data.checks.survey import Survey

WIDEST, NARROW = 20, 8  # characters of the longest bar, and where there are three splits, so that 80 columns hold them
BESIDE = 6  # tasks that are columns of the splits' table; more have a row each in a table of their own


def survey_tables(survey: Survey) -> Iterator[RenderableType]:
    """A table of the splits, then one for each task with its classes or the spread of its numbers.

    >>> from rich.console import Console
    >>> found = Survey("toy", {"train": {"images": 2, "sizes": {"4x6": 2}, "tasks": {"age": {"labelled": 0}}}}, [], [])
    >>> Console(width=60, no_color=True).print(next(survey_tables(found)))
    ┏━━━━━━━┳━━━━━━━━┳━━━━━━━━━┳━━━━━┓
    ┃ split ┃ images ┃ sizes   ┃ age ┃
    ┡━━━━━━━╇━━━━━━━━╇━━━━━━━━━╇━━━━━┩
    │ train │      2 │ 4x6 (2) │   0 │
    └───────┴────────┴─────────┴─────┘
    """
    tasks = list(next(iter(survey.splits.values()))["tasks"])
    overview = Table()
    overview.add_column("split")
    overview.add_column("images", justify="right")
    overview.add_column("sizes")
    beside = tasks if len(tasks) <= BESIDE else []
    for task in beside:
        overview.add_column(escape(task), justify="right")
    for name, split in survey.splits.items():
        labelled = [_labelled(split["tasks"][task]) for task in beside]
        overview.add_row(name, str(split["images"]), _sizes(split["sizes"]), *labelled)
    yield overview
    if not beside:
        below = Table("labelled")
        for name in survey.splits:
            below.add_column(name, justify="right")
        for task in tasks:
            below.add_row(escape(task), *(_labelled(split["tasks"][task]) for split in survey.splits.values()))
        yield below
    for task in tasks:
        figures = {name: split["tasks"][task] for name, split in survey.splits.items()}
        if any("counts" in found for found in figures.values()):
            yield _counts(task, figures)
        elif any("percentiles" in found for found in figures.values()):
            yield _numbers(task, figures)


def _labelled(figures: Mapping[str, Any]) -> str:
    share = figures.get("labelled_share", 1)
    return str(figures["labelled"]) if share == 1 else f"{figures['labelled']} ({share:.1%} of pixels)"


def _sizes(sizes: Mapping[str, int]) -> str:
    shown = [f"{size} ({count})" for size, count in list(sizes.items())[:3]]
    return ", ".join(shown) + (f" and {len(sizes) - 3} more" if len(sizes) > 3 else "")


def _counts(task: str, figures: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column(escape(task), no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right")
        table.add_column("")
    widest = WIDEST if len(figures) < 3 else NARROW
    totals = {name: found.get("total", 0) for name, found in figures.items()}
    most = max(max(found["counts"].values()) / totals[name] for name, found in figures.items() if totals[name])
    for row in next(found["counts"] for found in figures.values() if "counts" in found):
        cells: list[str] = []
        for name, found in figures.items():
            share = found.get("counts", {}).get(row, 0) / max(1, totals[name])
            cells += [f"{share:.1%}", "█" * round(widest * share / most) or "▏"] if share else ["-", ""]
        table.add_row(escape(row), *cells)
    return table


def _numbers(task: str, figures: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column(escape(task))
    known = {name: found for name, found in figures.items() if "percentiles" in found}
    columns = list(next(iter(known.values()))["percentiles"])
    for title in ("min", *(f"{column} %" for column in columns), "max"):
        table.add_column(title, justify="right")
    for name, found in known.items():
        values = [found["min"], *found["percentiles"].values(), found["max"]]
        table.add_row(name, *(f"{value:.3g}" for value in values))
    return table
