"""A network starts from the parts of a finished run that fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from afanet.errors import InputError
from afanet.networks import Woven
from afanet.tasks import Description, Task
from afanet.training.starting.fitting import Fit, described, fits, load
from afanet.training.starting.source import Source, other_names, require_fresh, require_same_tasks


def start(
    network: Woven, source: Source, tasks: Mapping[str, Task], fresh: Collection[str], kept: Collection[str] = ()
) -> list[str]:
    """Load the parts of a run that fit, except `fresh` ones; returns lines on what each part begins with.

    Raises `InputError` for a task of another kind under the same name, for a part that the run has in another form, for
    a name in `fresh` that is no part, and if a task in `kept` would not answer as in the run.
    """
    require_fresh(fresh, list(tasks))
    ours = {name: Description.of(task) for name, task in tasks.items()}
    require_same_tasks(source, ours, fresh)
    found = fits(network, source, fresh)
    if kept:
        _require_kept(found, source, kept)
    load(network, source, found)
    return [*described(found, source), *other_names(source, ours, fresh)]


def _require_kept(found: Collection[Fit], source: Source, kept: Collection[str]) -> None:
    """Raise `InputError` if the tasks in `kept` would not answer as in the run."""
    method = source.recipe.network.method
    for fit in found:
        task = fit.part.partition(" of ")[2]
        if fit.taken < len(fit.names) and (not task or task in kept):
            raise InputError(
                f"freeze is 'old', but {fit.part} would start fresh, so the tasks of {source.name} would not "
                f"answer as before: give --method {method} without --fresh for it, or freeze others"
            )
        if fit.part == "trunk" and _differs(fit, source, kept):
            raise InputError(
                f"freeze is 'old', but the tasks of {source.name} have backbones of their own, and one trunk can "
                f"keep only one, so the others would not answer as before: give --method {method} or freeze others"
            )


def _differs(fit: Fit, source: Source, kept: Collection[str]) -> bool:
    """Whether a task in `kept` has other tensors in the run than those that continue in the trunk."""
    for name, taken in fit.names.items():
        for task in kept:
            own = source.weights.get(".".join(["branches", task, *name.split(".")[2:]]))
            if own is not None and taken is not None and not torch.equal(own, source.weights[taken]):
                return True
    return False
