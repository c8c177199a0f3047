"""The budget of a run: the training of the run and of the runs that it started from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afanet.comparison.groups import BASE, Group
from afanet.errors import InputError
from afanet.paths import is_on_hub
from afanet.runs.run import Run, load_run

BACKWARD = 2  # operations of a backward pass per operation of a forward pass


@dataclass(frozen=True)
class Budget:
    """The steps of the optimiser, and floating-point operations, over all stages of a training."""

    steps: int
    operations: float

    def __add__(self, other: Budget) -> Budget:
        return Budget(self.steps + other.steps, self.operations + other.operations)


def budget_of(run: Run) -> Budget | None:
    r"""The budget of a run, including the runs that it started from; None if one of these is missing.

    Each stage s counts with its steps n_s, the B_s images that a step sees (`batch_size` x `optimizer.accumulate`) and
    the FLOPs F_s of a forward pass of one image of `data.size`; a backward pass takes twice those of a forward pass:

    .. math:: \text{operations} = \sum_s 3\, n_s B_s F_s

    Stages are the runs in `warm_start` and `start_from` and the `single/` of `two_stage`, and in turn the stages of
    these. Pre-training is not counted, since it is the same for all.

    Kaplan et al., Scaling laws for neural language models, 2020, count operations by the same factor of 3.
    """
    return _budget(run, ())


def _budget(run: Run, later: tuple[str, ...]) -> Budget | None:
    recipe, results = run.recipe, run.results
    if "steps" not in results or str(run.path) in later:  # an older version, or runs that start from each other
        return None
    images = results["steps"] * recipe.batch_size * recipe.optimizer.accumulate
    budget = Budget(results["steps"], float(images * (1 + BACKWARD) * results["flops"]))
    begun = [str(path) for path in recipe.warm_start or ()]
    begun += [str(run.folder.single)] if recipe.two_stage else []
    begun += [recipe.start_from] if recipe.start_from else []
    for source in begun:
        try:
            stage = None if is_on_hub(source) else _budget(load_run(source), (*later, str(run.path)))
        except InputError:
            stage = None
        if stage is None:
            return None
        budget += stage
    return budget


def mean_budget(runs: Sequence[Run]) -> Budget | None:
    """The mean over the runs of a method, since early stopping may have shortened some; None if one has no budget."""
    budgets = [budget for budget in map(budget_of, runs) if budget is not None]
    if len(budgets) < len(runs):
        return None
    steps, operations = (
        sum(each) / len(runs) for each in zip(*((b.steps, b.operations) for b in budgets), strict=True)
    )
    return Budget(round(steps), operations)


def budget_notes(groups: Sequence[Group], budgets: Mapping[str, Budget | None]) -> list[str]:
    """Notes on the budgets of these groups, by title: that all had a first stage, or that the budgets differ."""
    known = {title: budget.steps for title, budget in budgets.items() if budget is not None}
    notes = []
    if all(run.recipe.warm_start for group in groups for run in group.runs):
        notes.append("every method began with single-task networks that were trained before")
        if BASE in known and len(known) == len(budgets) and len(set(known.values())) == 1:
            notes[0] += f"; {BASE} had the same total budget, {known[BASE]} steps over both stages"
    if len(set(known.values())) > 1:
        listed = ", ".join(f"{title} {steps}" for title, steps in known.items())
        notes.append(f"budgets differ, in steps over all stages: {listed}")
    if known and (gone := [title for title in budgets if title not in known]):
        notes.append(
            "budgets are unknown where a run, or one that it started from, is missing or from an older version: "
            f"{', '.join(gone)}"
        )
    return notes
