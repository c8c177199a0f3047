"""The description of its network in an exported file: read and checked before anything uses it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from afanet.errors import InputError, shown
from afanet.framing import RESIZES
from afanet.json_text import parse_json
from afanet.limits import MOST_CHANNELS, MOST_SIDE, MOST_TASKS
from afanet.names import name_fault
from afanet.normalisation import LEAST, MOST
from afanet.tasks.meaning import is_number, is_whole

FORMAT = 1
MOST_BYTES = 2**24  # the largest description that is read: thousands of times the size of ours
PRECISIONS = ("float32", "fp16", "int8")


def read_description(path: Path, text: str | None) -> dict[str, Any]:
    """A file's description of its network, with its keys that are needed here checked."""
    if text is None:
        raise InputError(f"{path} is not a file of `afanet export`: it does not say what its outputs mean")
    try:
        description = parse_json(text[: MOST_BYTES + 1], "it")
    except InputError as error:
        raise not_ours(path, str(error)) from None
    if not isinstance(description, dict):
        raise not_ours(path, f"it is {shown(description)}")
    if (version := description.get("format", FORMAT)) != FORMAT:
        raise InputError(
            f"{path} is in format {shown(version)}, expected {FORMAT}: use the version of afanet that wrote it"
        )
    if fault := _fault(description):
        raise not_ours(path, fault)
    return dict(description)


def _fault(description: Mapping[str, Any]) -> str | None:
    """What is invalid in the file's description, in words; None if nothing is."""
    mean = description.get("mean")
    channels = len(mean) if isinstance(mean, list) and 0 < len(mean) <= MOST_CHANNELS else 3
    fits: dict[str, Callable[[Any], bool]] = {
        "tasks": lambda tasks: isinstance(tasks, dict) and 0 < len(tasks) <= MOST_TASKS,
        "size": lambda size: _are(2, size, lambda side: is_whole(side, 1, MOST_SIDE)),
        "mean": lambda mean: _are(channels, mean, lambda value: is_number(value) and abs(value) <= MOST),
        "std": lambda std: _are(channels, std, lambda value: is_number(value) and LEAST <= value <= MOST),
        "dynamic": lambda dynamic: (
            isinstance(dynamic, dict) and all(isinstance(dynamic.get(key), bool) for key in ("batch", "size"))
        ),
    }
    for key, fit in fits.items():
        if not fit(description.get(key)):
            return f"'{key}' is {shown(description.get(key))}"
    if (resize := description.get("resize", "stretch")) not in RESIZES:
        return f"'resize' is {shown(resize)}, expected one of: {', '.join(RESIZES)}"
    for name in description["tasks"]:
        if fault := name_fault(name):
            return f"the task {name!r:.80} {fault}"
    return _precision_fault(description)


def _precision_fault(description: Mapping[str, Any]) -> str | None:
    """What is invalid in the precision of a file, in words: a file below float32 must have its own scores."""
    precision = description.get("precision", PRECISIONS[0])
    if precision not in PRECISIONS:
        return f"'precision' is {shown(precision)}, expected one of: {', '.join(PRECISIONS)}"
    if precision == PRECISIONS[0]:
        return None
    metrics = description.get("metrics")
    for name in description["tasks"]:
        scores = metrics.get(name) if isinstance(metrics, dict) else None
        if not (
            isinstance(scores, dict) and scores and all(score is None or is_number(score) for score in scores.values())
        ):
            return f"it is {precision} without scores of task '{name}'"
    return None


def not_ours(path: Path, fault: str) -> InputError:
    return InputError(f"{path} lacks the description that `afanet export` writes ({fault}): export the run again")


def _are(count: int, values: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) == count and all(map(fits, values))
