"""More epochs for a finished run: a new run that starts from it."""

from __future__ import annotations

from pathlib import Path

from afanet.networks.freeze import freeze_of, freeze_plan
from afanet.progress import say
from afanet.recipe.schema import Recipe
from afanet.runs.folder import RunFolder


def more_epochs(folder: RunFolder, recipe: Recipe) -> tuple[Recipe, Path] | None:
    """The recipe and folder of a run that continues the finished one in `folder` to the epochs of `recipe`.

    None if the finished run has as many epochs. Parts that thaw after some epochs thaw after the rest of these. The
    learning rates follow the schedule anew, and the optimiser starts without state. Raises `InputError` if the recipe
    differs in more than its epochs.
    """
    begun = folder.read_recipe()
    if recipe.epochs <= begun.epochs:
        return None
    RunFolder.resumable(folder.path, recipe.model_copy(update={"epochs": begun.epochs}))
    more = recipe.epochs - begun.epochs
    path = folder.path.with_name(f"{folder.path.name}-{recipe.epochs}-epochs")
    ended = f"{folder.path} has finished its {begun.epochs} epochs"
    say(f"{ended}: {more} more as a new run in {path}, which starts from it")
    plan = freeze_plan(begun.network.freeze).items()
    left = {what: epochs and epochs - begun.epochs for what, epochs in plan if epochs is None or epochs > begun.epochs}
    changes = {
        "start_from": str(folder.path.absolute()),
        "epochs": more,
        "old_tasks": begun.old_tasks,
        "network": begun.network.model_copy(update={"freeze": freeze_of(left)}),
        **{"fresh": (), "warm_start": None, "two_stage": False},
    }
    return begun.model_copy(update=changes), path
