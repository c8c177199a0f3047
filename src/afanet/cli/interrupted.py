"""The command that continues after Ctrl-C."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def how_to_go_on(words: Sequence[str]) -> str | None:
    """A sentence with the command that continues an interrupted one; None if there is nothing to continue.

    >>> how_to_go_on(["train", "rooms", "--out", "my run"])
    "interrupted; this goes on from the last checkpoint: afanet train rooms --out 'my run' --resume"
    >>> how_to_go_on(["compare", "rooms"])
    'interrupted; this goes on from the last checkpoint and keeps finished runs: afanet compare rooms'
    """
    command = shlex.join(["afanet", *words])
    if words[:1] == ["train"]:
        resumed = command if "--resume" in words else f"{command} --resume"
        return f"interrupted; this goes on from the last checkpoint: {resumed}"
    if words[:1] in (["compare"], ["sweep"]):
        return f"interrupted; this goes on from the last checkpoint and keeps finished runs: {command}"
    return None
