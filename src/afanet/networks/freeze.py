"""The names of the parts of a network that do not learn, and for how long, in recipes and in `create_network`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from afanet.errors import InputError, shown
from afanet.names import name_fault

FORMS = "backbone, stages:N for its first N stages, norms for its batch norms, heads, task:NAME, or old"
STAGES = re.compile(r"stages:([1-9]\d{0,3})")
TASK = "task:"
SEVERAL = "old"  # the tasks of the run from which another run starts

Freeze = str | Sequence[str] | Mapping[str, int | None] | None
Plan = dict[str, int | None]


def freeze_fault(what: object) -> str | None:
    """What is wrong with the name of a part to freeze, as the end of a sentence; None if nothing is.

    >>> freeze_fault("stages:2")
    >>> freeze_fault("all")
    'expected backbone, stages:N for its first N stages, ... heads, task:NAME, or old'
    """
    if what in ("backbone", "norms", "heads", SEVERAL):
        return None
    if isinstance(what, str) and (STAGES.fullmatch(what) or (what.startswith(TASK) and not name_fault(what[5:]))):
        return None
    return f"expected {FORMS}"


def freeze_plan(freeze: Freeze) -> Plan:
    """For each part that is frozen, after how many epochs it starts to learn; None means never.

    Raises:
        InputError: for a name that is not a part that can be frozen.

    >>> freeze_plan({"backbone": 5, "heads": None}), freeze_plan("norms"), freeze_plan(["stages:2", "task:age"])
    ({'backbone': 5, 'heads': None}, {'norms': None}, {'stages:2': None, 'task:age': None})
    """
    if isinstance(freeze, str) or not isinstance(freeze, Mapping | Sequence | None):
        freeze = [freeze]
    plan = dict(freeze) if isinstance(freeze, Mapping) else dict.fromkeys(freeze or ())
    for what in plan:
        if fault := freeze_fault(what):
            raise InputError(f"freeze is {shown(what)}, {fault}")
    return plan


def freeze_of(plan: Mapping[str, int | None]) -> str | tuple[str, ...] | Plan | None:
    """The shortest form of a plan in a recipe.

    >>> [freeze_of(freeze_plan(freeze)) for freeze in ("heads", ["heads", "norms"], {"heads": 3}, None)]
    ['heads', ('heads', 'norms'), {'heads': 3}, None]
    """
    if any(plan.values()):
        return dict(plan)
    return tuple(plan) if len(plan) > 1 else next(iter(plan), None)


def of_trunk(names: Iterable[str]) -> list[str]:
    """The names among these that freeze the backbone's first stages, which tasks can then share.

    >>> of_trunk(["heads", "stages:2", "norms"])
    ['stages:2']
    """
    return [name for name in names if name == "backbone" or STAGES.fullmatch(name)]


def frozen_stages(names: Iterable[str], backbone: str, stages: int) -> int:
    """How many of a backbone's stages are frozen, from the first on: all for "backbone", 0 if no name freezes any.

    Raises:
        InputError: for a number of stages that is all of the backbone's, or more.

    >>> frozen_stages(["stages:2"], "resnet18", 4), frozen_stages(["backbone"], "resnet18", 4)
    (2, 4)
    """
    most = 0
    for name in of_trunk(names):
        count = stages if name == "backbone" else int(name.partition(":")[2])
        if name != "backbone" and count >= stages:
            some = f"stages:1 to stages:{stages - 1}, or " if stages > 1 else ""
            raise InputError(
                f"freeze is {name!r}, but '{backbone}' has {stages} stage{'s' if stages > 1 else ''}: expected {some}"
                "backbone to freeze all of it"
            )
        most = max(most, count)
    return most


def freeze_notes(stages: int, backbone: str, weights: str, alone: bool) -> list[str]:
    """Lines that somebody who freezes `stages` of a backbone should read.

    `alone` says whether the tasks share nothing but the frozen stages.
    """
    if not stages:
        return []
    notes = []
    if weights == "none":
        notes.append(f"{backbone}: random weights are frozen, so the features of the frozen stages are random too")
    if alone:
        notes.append(f"{backbone}: one frozen trunk serves all tasks, which learn separately after it")
    return notes
