"""A network begins with what fits of a finished run."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from afanet.networks import Woven
from afanet.tasks import Description, Task
from afanet.training.starting.fitting import described, fits, load
from afanet.training.starting.source import Source, other_names, require_fresh, require_same_tasks


def start(network: Woven, source: Source, tasks: Mapping[str, Task], fresh: Collection[str]) -> list[str]:
    """Load what fits of a run, except what is to be `fresh`; returns lines on what each part begins with.

    Raises `InputError` for a task of another kind under the same name, for a part that the run has in another form, and
    for a name in `fresh` of no part.
    """
    require_fresh(fresh, list(tasks))
    ours = {name: Description.of(task) for name, task in tasks.items()}
    require_same_tasks(source, ours, fresh)
    found = fits(network, source, fresh)
    load(network, source, found)
    return [*described(found, source), *other_names(source, ours, fresh)]
