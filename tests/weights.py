"""Changes to the weights of finished runs, as somebody with an editor could make them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from afanet.runs.folder import RunFolder
from afanet.runs.weights import read_weights, save_weights

Weights = dict[str, Tensor]


def weights_of(folder: Path) -> Weights:
    """The scored weights of a finished run, by the names of its network."""
    return read_weights(RunFolder(folder).scored)


def change_weights(folder: Path, change: Callable[[Weights], Weights | None]) -> None:
    """Replace the scored weights of a finished run by what `change` returns, or by those that it changed in place."""
    weights = weights_of(folder)
    save_weights(RunFolder(folder).scored, change(weights) or weights)
