"""The command that lists the balancing methods."""

from __future__ import annotations

from argparse import Namespace
from typing import Any


def add_balancing_command(commands: Any) -> None:
    """Add `afanet balancing`."""
    balancing = commands.add_parser(
        "balancing",
        help="list the ways to balance tasks",
        description="List the ways to balance tasks: by their losses, or by their gradients.",
        allow_abbrev=False,
    )
    balancing.set_defaults(command=_balancing, parser=balancing)
    balancing.add_argument("--names", action="store_true", help="print the names only, one per line")


def _balancing(given: Namespace) -> None:
    from afanet.training.balancing.methods import BALANCINGS

    if given.names:
        print("\n".join(BALANCINGS))
        return
    from rich.table import Table

    from afanet.terminal import show

    table = Table("name", "kind", "what it does, and its options", "paper")
    for row in BALANCINGS.values():
        options = ", ".join(f"{key} {value:g}" for key, value in row.options.items())
        table.add_row(row.name, row.kind, f"{row.sentence}\n{options}".rstrip(), row.paper)
    show(table)
