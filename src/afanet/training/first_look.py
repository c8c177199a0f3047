"""The findings of a data check, before the first step of training."""

from __future__ import annotations

from collections.abc import Collection

from afanet.data import Data
from afanet.data.checks.kept import read_kept
from afanet.data.checks.survey import survey_for_training, to_read
from afanet.data.prepared import prepare_hint
from afanet.errors import InputError
from afanet.progress import Bar, say
from afanet.recipe.schema import Recipe
from afanet.runs.setup import data_cache

SAID = 10  # the most warnings that are printed one by one


def look_first(data: Data, tasks: Collection[str], recipe: Recipe, taught: Collection[str] = ()) -> None:
    """Read everything once, so that a bad file fails now and not after hours, and print all warnings about `tasks`.

    Raises `InputError` for a sample that cannot be used, for images with other channels than the network takes, and for
    a task without any label to train on, unless the task is `taught` by another network. Samples in a cache were read
    when the cache was written, and are not read again.
    """
    count = 0 if read_kept(data) else sum(len(to_read(split)) for split in data.splits.values())
    if any(split.read.files(split.items[0]) for split in data.splits.values() if count and len(split)):
        hint = prepare_hint(data, data_cache(recipe), recipe.data.size)
        say(f"reading {count} samples once, before training: {hint}")
    with Bar(count, "reading") as bar:
        found = survey_for_training(data, tasks, taught=taught, workers=recipe.workers, advance=bar.advance)
    if found.errors:
        more = f", and {len(found.errors) - 1} more: `afanet data check` lists them" if len(found.errors) > 1 else ""
        raise InputError(f"{found.errors[0]}{more}")
    for warning in found.warnings[:SAID]:
        say(f"warning: {warning}")
    if len(found.warnings) > SAID:
        say(f"warning: {len(found.warnings) - SAID} more warnings: `afanet data check` lists them")
