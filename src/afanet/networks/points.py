"""Reads the points, the layers to meet at, from all forms that callers may pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from afanet.errors import InputError, unknown
from afanet.networks.layout import Point

Points = Sequence[str | Point]


def points_by_task(tasks: Sequence[str], at: object) -> dict[str, list[Point]]:
    """Every branch's points, from one list for all, a list per branch, or a mapping from branches to lists.

    Raises:
        InputError: for anything else, or if branches have different numbers of points.
    """
    lists: dict[str, object]
    if isinstance(at, Mapping):
        if at.keys() != set(tasks):
            raise InputError(f"`at` names the branches {list(at)}: expected one list for each of {list(tasks)}")
        lists = dict(at)
    elif isinstance(at, Sequence) and at and all(isinstance(item, list | tuple) for item in at):
        if len(at) != len(tasks):
            raise InputError(
                f"`at` has {len(at)} lists for {len(tasks)} branches: expected one for all, or one per branch"
            )
        lists = dict(zip(tasks, at, strict=True))
    else:
        lists = dict.fromkeys(tasks, [at] if isinstance(at, str | Point) else at)
    points = {task: [_point(item) for item in _listed(lists[task])] for task in tasks}
    counts = {task: len(points[task]) for task in tasks}
    if len(set(counts.values())) > 1:
        raise InputError(
            f"the branches have different numbers of layers to meet at, {counts}: expected the same for all"
        )
    return points


def require_layers(task: str, branches: Mapping[str, nn.Module], names: Sequence[str]) -> None:
    """Raise `InputError` for names that the task's branch does not have, that repeat, or that enclose one another."""
    known = _layers(branches[task])
    for name in names:
        if name not in known:
            raise _missing(task, name, branches)
        if names.count(name) > 1:
            raise InputError(f"layer '{name}' of branch '{task}' is named {names.count(name)} times: name it once")
        for inner in names:
            if inner.startswith(name + "."):
                raise InputError(
                    f"layer '{name}' of branch '{task}' encloses '{inner}', which is named too: "
                    f"name the last layer inside '{name}' instead of it"
                )


def _layers(branch: nn.Module) -> list[str]:
    return [name for name, _ in branch.named_modules() if name]


def _missing(task: str, name: str, branches: Mapping[str, nn.Module]) -> InputError:
    for other, branch in branches.items():
        if name in _layers(branch):
            lists = ", ".join(f"'{one}': [...]" for one in branches)
            return InputError(
                f"unknown layer of branch '{task}' '{name}', which branch '{other}' has: give each branch a list of "
                f"its own, at={{{lists}}}"
            )
    return unknown(f"layer of branch '{task}'", name, _layers(branches[task]))


def _listed(items: object) -> list[object]:
    if isinstance(items, str | Point) or not isinstance(items, Sequence):
        raise InputError(f"`at` got {items!r}: expected a list of layer names")
    return list(items)


def _point(item: object) -> Point:
    if isinstance(item, Point):
        return item
    if isinstance(item, str):
        return Point(item)
    raise InputError(f"`at` got {item!r}: expected names of layers, or Points")
