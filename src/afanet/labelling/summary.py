"""What a teacher has labelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from afanet.json_text import to_json


@dataclass
class OfTask:
    """The cells of one task: how many are `filled`, and how many stay empty because they are `below` the threshold.

    `confidences` is the sum of the confidences of filled cells, and `rated` the number of cells that have one.
    """

    filled: int = 0
    below: int = 0
    rated: int = 0
    confidences: float = 0.0
    most: float = 0.0  # the largest confidence of a cell or pixel

    @property
    def mean(self) -> float | None:
        """The mean confidence of the cells that were filled; None if none has one."""
        return self.confidences / self.rated if self.rated else None


@dataclass(frozen=True)
class Labelled:
    """The result of `label`.

    Args:
        table: the file with the labels.
        tasks: counts by task.
        declared: by task, the keys with which a recipe declares its column.
        held_out: number of rows of the splits validation and test with an empty cell; they are never filled.
        added: number of images that were added to the table as rows.
        faults: a sentence for every image that was left out.
        notes: a sentence for everything else that you should know.
    """

    table: Path
    tasks: dict[str, OfTask] = field(default_factory=dict)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    held_out: int = 0
    added: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def filled(self) -> int:
        """The number of filled cells."""
        return sum(of_task.filled for of_task in self.tasks.values())

    def declaration(self) -> str:
        """The `tasks` of a recipe's `data.options`, as YAML."""
        return "tasks:\n" + "".join(f"  {name}: {_flow(keys)}\n" for name, keys in self.declared.items())


def _flow(keys: Mapping[str, Any]) -> str:
    """Keys as YAML in one line, with values as JSON."""
    return "{" + ", ".join(f"{key}: {to_json(value, ensure_ascii=False)}" for key, value in keys.items()) + "}"
