"""`afanet weights`: which weights of a file fit a backbone."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any


def add_weights_command(commands: Any) -> None:
    """Add the command."""
    weights: ArgumentParser = commands.add_parser(
        "weights",
        help="see which weights of a file fit a backbone",
        description="Load weights into a backbone and list, module by module, which were loaded, missing or not used. "
        "Nothing is written.",
        allow_abbrev=False,
    )
    weights.set_defaults(command=_weights, parser=weights)
    weights.add_argument("backbone", metavar="BACKBONE", help="a timm model, as network.backbone in a recipe")
    weights.add_argument(
        "weights", metavar="WEIGHTS", help="a file, local-dir:FOLDER or hf-hub:ORG/NAME, as network.weights"
    )


def _weights(given: Namespace) -> None:
    from rich.markup import escape
    from rich.table import Table

    from afanet.errors import InputError
    from afanet.networks.backbones import Backbone
    from afanet.networks.weights import fill
    from afanet.networks.weights.report import plain
    from afanet.networks.weights.spelling import WORDS, anchored
    from afanet.terminal import show

    if given.weights in WORDS:
        raise InputError(f"WEIGHTS is '{given.weights}': expected a file, local-dir:FOLDER or hf-hub:ORG/NAME")
    report = fill(Backbone(given.backbone), given.backbone, anchored(given.weights, Path.cwd()), partial=True)
    table = Table("module", "loaded", "missing", "not used", box=None, pad_edge=False)
    for module, counts in report.by_module().items():
        table.add_row(escape(plain(module)), *(str(count or "") for count in counts))
    show(table)
    print(report.line())
    if report.few:
        print("training refuses it unless network.partial is set")
