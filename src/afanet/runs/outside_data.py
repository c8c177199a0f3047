"""A run folder must lie outside the data, so that training never writes among them or removes any of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.recipe.schema import Recipe


def require_outside(path: Path, recipe: Recipe) -> None:
    """Raise `InputError` if a new run folder would lie in a folder of the recipe's data, or contain one."""
    out = path.resolve()
    for root in _roots(recipe.data.model_dump()):
        data = root.resolve()
        inside = out.is_relative_to(data) and not data.is_file()
        if inside or data.is_relative_to(out):
            where = "inside" if inside and out != data else "around" if out != data else "at"
            raise InputError(
                f"run folder {path} would lie {where} the data folder {root}: give a folder elsewhere with --out"
            )


def _roots(values: Any) -> Iterator[Path]:
    """Every `root` in a recipe's data section; some data sets contain others."""
    if isinstance(values, list | tuple):
        for value in values:
            yield from _roots(value)
    elif isinstance(values, dict):
        for key, value in values.items():
            if key == "root" and isinstance(value, str | Path):
                yield Path(value)
            else:
                yield from _roots(value)
