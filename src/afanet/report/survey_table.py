"""The result of a data check, as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from afanet.comparison.quantities import significant
from afanet.data.checks.survey import Survey

WIDEST, NARROW = 20, 8  # characters of the longest bar; NARROW with three splits, to fit 80 columns
BESIDE = 6  # the most tasks as columns of the splits' table; more get rows in a table of their own


def survey_tables(survey: Survey) -> Iterator[Table]:
    """A table of the splits, then one for each task with its classes or the spread of its numbers.

    >>> from rich.console import Console
    >>> survey = Survey("toy", {"train": {"images": 2, "sizes": {"4x6": 2}, "tasks": {"age": {"labelled": 0}}}}, [], [])
    >>> Console(width=60, no_color=True).print(next(survey_tables(survey)))
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
        by_split = {name: split["tasks"][task] for name, split in survey.splits.items()}
        if any("counts" in counted for counted in by_split.values()):
            yield _counts(task, by_split)
        elif any("percentiles" in counted for counted in by_split.values()):
            yield _numbers(task, by_split)


def _labelled(counted: Mapping[str, Any]) -> str:
    share = counted.get("labelled_share", 1)
    remarks = [f"{share:.1%} of {counted.get('labelled_of', 'pixels')}"] if share != 1 else []
    if made := counted.get("machine_made"):
        sure = f", confidence {counted['confidence']:.3f}" if "confidence" in counted else ""
        remarks.append(f"{made} machine-made{sure}")
    return f"{counted['labelled']}" + (f" ({'; '.join(remarks)})" if remarks else "")


def _sizes(sizes: Mapping[str, int]) -> str:
    shown = [f"{size} ({count})" for size, count in list(sizes.items())[:3]]
    return ", ".join(shown) + (f" and {len(sizes) - 3} more" if len(sizes) > 3 else "")


def _counts(task: str, by_split: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column(escape(task))
    for name in by_split:
        table.add_column(name, justify="right")
        table.add_column("")
    widest = WIDEST if len(by_split) < 3 else NARROW
    totals = {name: counted.get("total", 0) for name, counted in by_split.items()}
    most = max(max(counted["counts"].values()) / totals[name] for name, counted in by_split.items() if totals[name])
    for row in next(counted["counts"] for counted in by_split.values() if "counts" in counted):
        cells: list[str] = []
        for name, counted in by_split.items():
            share = counted.get("counts", {}).get(row, 0) / max(1, totals[name])
            cells += [f"{share:.1%}", "█" * round(widest * share / most) or "▏"] if share else ["-", ""]
        table.add_row(escape(row), *cells)
    return table


def _numbers(task: str, by_split: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table()
    table.add_column(escape(task))
    known = {name: counted for name, counted in by_split.items() if "percentiles" in counted}
    columns = list(next(iter(known.values()))["percentiles"])
    for title in ("min", *(f"{column} %" for column in columns), "max"):
        table.add_column(title, justify="right")
    for name, counted in known.items():
        values = [counted["min"], *counted["percentiles"].values(), counted["max"]]
        table.add_row(name, *(significant(value, 3) for value in values))
    return table
