"""What of a network does not learn, and for how long, as a recipe and `create_network` name it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from afanet.errors import InputError, shown
from afanet.names import name_fault

FORMS = "backbone, stages:N for its first N stages, norms for its batch norms, heads, task:NAME, or old"
STAGES = re.compile(r"stages:([1-9]\d{0,3})")
TASK = "task:"
SEVERAL = "old"  # the tasks of the run that another begins with

Freeze = str | Sequence[str] | Mapping[str, int | None] | None
Plan = dict[str, int | None]


def freeze_fault(what: object) -> str | None:
    """What is wrong with the name of something to freeze, as the end of a sentence; None if nothing is.

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
    """By what is frozen, after how many epochs it learns all the same; None for never.

    Raises:
        InputError: for a name of nothing that can be frozen.

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
    """What a recipe has for a plan, in its shortest form.

    >>> [freeze_of(freeze_plan(freeze)) for freeze in ("heads", ["heads", "norms"], {"heads": 3}, None)]
    ['heads', ('heads', 'norms'), {'heads': 3}, None]
    """
    if any(plan.values()):
        return dict(plan)
    return tuple(plan) if len(plan) > 1 else next(iter(plan), None)


def of_trunk(names: Iterable[str]) -> list[str]:
    """Those of the names that freeze stages of the backbone from the image on, which tasks then can share.

    >>> of_trunk(["heads", "stages:2", "norms"])
    ['stages:2']
    """
    return [name for name in names if name == "backbone" or STAGES.fullmatch(name)]


def frozen_stages(names: Iterable[str], backbone: str, stages: int) -> int:
    """How many of a backbone's stages are frozen, from the first on: all of them for "backbone", 0 where none is named.

    Raises:
        InputError: for all stages by number, or more than the backbone has.

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
    """What somebody who freezes `stages` of a backbone should know, a line each.

    `alone` says whether tasks that share nothing else share what is frozen.
    """
    if not stages:
        return []
    notes = []
    if weights == "none":
        notes.append(f"{backbone}: random weights are frozen, so what the frozen stages give is random too")
    if alone:
        notes.append(f"{backbone}: one frozen trunk computes for all tasks, which learn alone after it")
    return notes
