"""The content of Adience's fold files, as a table on a terminal."""

from __future__ import annotations

from rich.table import Table

from afanet.data.sets.adience.report import FoldReport


def folds_table(report: FoldReport) -> Table:
    """The counts of `fold_report` as a table: a column for each fold, a row for each count of each section.

    >>> from rich.console import Console
    >>> report = {"0": {"gender": {"f": 4, "m": 2}}, "all": {"gender": {"f": 9, "m": 7}}}
    >>> Console(width=60, no_color=True).print(folds_table(report))
    ┏━━━━━━━━━┳━━━━━━┳━━━━━━━━┳━━━━━┓
    ┃ section ┃ rows ┃ fold 0 ┃ all ┃
    ┡━━━━━━━━━╇━━━━━━╇━━━━━━━━╇━━━━━┩
    │ gender  │ f    │      4 │   9 │
    │         │ m    │      2 │   7 │
    └─────────┴──────┴────────┴─────┘
    """
    table = Table("section", "rows")
    for name in report:
        table.add_column(name if name == "all" else f"fold {name}", justify="right")
    for section, names in next(iter(report.values())).items():
        for row, name in enumerate(names):
            table.add_row("" if row else section, name, *(str(counts[section][name]) for counts in report.values()))
        table.add_section()
    return table
