"""Descriptions of tasks without their data: enough to build a task's head and to read its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from afanet.errors import InputError
from afanet.names import name_fault
from afanet.networks.outputs import Dense, Output, Pooled

if TYPE_CHECKING:
    from afanet.tasks.task import Task

OUTPUTS: dict[str, type[Dense] | type[Pooled]] = {"dense": Dense, "pooled": Pooled}


class Described(Protocol):
    """The attributes of a `Task` (see there) that a run keeps to describe the task."""

    @property
    def name(self) -> str: ...

    @property
    def output(self) -> Output: ...

    @property
    def main_metric(self) -> str: ...

    @property
    def higher_is_better(self) -> Mapping[str, bool]: ...

    @property
    def meaning(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Description:
    """A task as a run keeps it, for use without the run's data.

    >>> from afanet.tasks import Classification
    >>> kept = Description.of(Classification("age", ["young", "old"])).as_json()
    >>> kept["output"], kept["main_metric"], Description.from_json("age", kept).output
    ({'pooled': 2}, 'accuracy', Pooled(channels=2))
    """

    name: str
    output: Output
    main_metric: str
    higher_is_better: dict[str, bool]
    meaning: dict[str, Any]  # empty for older runs

    @classmethod
    def of(cls, task: Task) -> Description:
        """The description of a task."""
        meaning = {**task.meaning, **task.sides}
        return cls(task.name, task.output, task.main_metric, dict(task.higher_is_better), meaning)

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        [kind] = [name for name, kind in OUTPUTS.items() if isinstance(self.output, kind)]
        output = {kind: self.output.channels}
        return {
            "output": output,
            "main_metric": self.main_metric,
            "higher_is_better": self.higher_is_better,
            "meaning": self.meaning,
        }

    @classmethod
    def from_json(cls, name: str, kept: Mapping[str, Any]) -> Description:
        """The description of the task `name` from what `as_json` gave.

        Raises `InputError` for a name that cannot be a task's.
        """
        if fault := name_fault(name):
            raise InputError(f"{name!r:.80} cannot name a task, since it {fault}")
        [(kind, channels)] = kept["output"].items()
        return cls(
            name,
            OUTPUTS[kind](channels),
            kept["main_metric"],
            dict(kept["higher_is_better"]),
            dict(kept.get("meaning", {})),
        )
