"""Finds names that mean a side, such as `left`, in data whose images training mirrors."""

from __future__ import annotations

from afanet.data.sample import Data
from afanet.data.sided_names import pair_names, side_of, unpaired_names
from afanet.data.steps import mirrors
from afanet.tasks import Task


def side_warnings(data: Data) -> list[str]:
    """A sentence for each task whose labels seem to depend on the side though training mirrors its images.

    >>> from afanet.data import open_data
    >>> side_warnings(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1))
    []
    """
    if not mirrors(data.train.transform):
        return []
    return [sentence for name, task in data.tasks.items() if task.mirror and (sentence := _sentence(name, task, data))]


def _sentence(name: str, task: Task, data: Data) -> str:
    swapped = [task.sided[number] for pair in task.swap for number in pair]
    free = [other for other in task.sided if other not in swapped]
    pairs = pair_names(free)
    alone = unpaired_names(free, [name for pair in pairs.items() for name in pair])
    twin = {**(tasks := pair_names(list(data.tasks))), **{other: one for one, other in tasks.items()}}.get(name)
    keep = f"declare mirror: false for task '{name}'"
    if pairs and not alone:
        listed = ", ".join(f"{one}: {other}" for one, other in pairs.items())
        return _seems(f"classes of task '{name}' ({listed})") + f"declare swap: {{{listed}}} for it, or mirror: false"
    if pairs or alone:
        return _seems(f"classes of task '{name}' ({', '.join([*pairs, *pairs.values(), *alone])})") + keep
    if twin or side_of(name):
        return _seems(f"labels of task '{name}'") + keep
    return ""


def _seems(what: str) -> str:
    return f"the {what} seem to depend on the side, and training mirrors images: "
