"""What of a backbone does not learn, as a recipe and `create_network` name it."""

from __future__ import annotations

import re

from afanet.errors import InputError

FORMS = "backbone, stages:N for the first N stages, or norms for its batch norms"
STAGES = re.compile(r"stages:([1-9]\d{0,3})")


def freeze_fault(freeze: object) -> str | None:
    """What is wrong with a value of `freeze`, as the end of a sentence; None if nothing is.

    >>> freeze_fault("stages:2")
    >>> freeze_fault("all")
    'expected backbone, stages:N for the first N stages, or norms ...: heads always learn'
    """
    if freeze in (None, "backbone", "norms") or (isinstance(freeze, str) and STAGES.fullmatch(freeze)):
        return None
    return f"expected {FORMS}: heads always learn"


def frozen_stages(freeze: str | None, backbone: str, stages: int) -> int:
    """How many of a backbone's stages are frozen, from the first on: all of them for "backbone", 0 for "norms" or None.

    Raises:
        InputError: for all stages by number, or more than the backbone has.

    >>> frozen_stages("stages:2", "resnet18", 4), frozen_stages("backbone", "resnet18", 4)
    (2, 4)
    """
    if freeze in (None, "norms"):
        return 0
    if freeze == "backbone":
        return stages
    count = int(str(freeze).partition(":")[2])
    if count >= stages:
        some = f"stages:1 to stages:{stages - 1}, or " if stages > 1 else ""
        raise InputError(
            f"freeze is {freeze!r}, but '{backbone}' has {stages} stage{'s' if stages > 1 else ''}: expected {some}"
            "backbone to freeze all of it"
        )
    return count


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
