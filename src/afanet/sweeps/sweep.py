"""A sweep: trials from a shared database, then the best and the default setting with fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.storages import RDBStorage
from optuna.study import Study

from afanet.distributed.started import started
from afanet.errors import InputError, shown
from afanet.limits import MOST_SEEDS
from afanet.progress import say
from afanet.recipe.code import identified
from afanet.recipe.schema import Recipe
from afanet.runs.folder import leaves
from afanet.runs.outside_data import require_outside
from afanet.runs.setup import how_to_validate, open_tasks
from afanet.sweeps.database import database, make_home
from afanet.sweeps.outcome import Outcome, Repeats, importance_of, rows_of
from afanet.sweeps.queue import Queue
from afanet.sweeps.space import Space, spell, with_values
from afanet.sweeps.trial import LENGTHS, RANDOM, SCORES, propose, train_trial
from afanet.tasks import Task

MOST_TRIALS = 100_000
RECIPE, OVER, TRIALS = "afanet recipe", "afanet over", "afanet trials"  # attributes of a study
MACHINES = (
    "name",
    "data.root",
    "data.stream_cache",
    "loggers",
    "workers",
    "checkpoint_every",
    "pictures_every",
    "device",
    "keep_optimizer",
)


@dataclass(frozen=True)
class Plan:
    """The plan of a sweep: the default setting, the space, the folder, the database's URL, trials and repeats."""

    recipe: Recipe
    space: Space
    out: Path
    storage: str
    trials: int
    repeat: int


def run_sweep(plan: Plan) -> Outcome:
    """Work on a sweep until no trial is left to take, and return its outcome.

    Several processes with the same plan share the trials. Once all are finished, the best one and the default setting
    are trained with `repeat` fresh seeds each; until then, the outcome has no repeats.

    Raises:
        InputError: for data without a validation split, for a plan with several processes in one training, for a
            database that cannot be used, for a study in it with another recipe or other ranges; and whatever `train`
            raises.
    """
    tasks = _checked(plan)
    make_home(plan.out)
    with database(plan.storage) as storage:
        queue = _trials(plan, storage)
        for trial in queue.taken():
            say(f"\ntrial {trial.number} of {queue.count}")
            values = propose(queue, trial.number, plan.recipe, plan.space)
            say(", ".join(f"{key} {value}" for key, value in values.items()) or "the recipe as it is")
            recipe = with_values(plan.recipe, values, "a trial")
            train_trial(queue, trial, recipe, tasks, prunes=not set(LENGTHS) & set(plan.space))
        outcome = Outcome(
            plan.recipe,
            tasks,
            plan.space,
            rows_of(queue.study, queue.count, plan.recipe, plan.space),
            importance_of(queue.study, plan.space),
        )
        if queue.open_trials() or outcome.best is None or outcome.best.number == 0:
            return outcome
        return replace(outcome, repeats=_repeat(plan, storage, outcome.best.number, tasks))


def _checked(plan: Plan) -> dict[str, Task]:
    """The tasks of a plan, once it has been checked."""
    if not 1 <= plan.trials <= MOST_TRIALS:
        raise InputError(f"--trials is {shown(plan.trials)}, expected 1 to {MOST_TRIALS:,}")
    if not 1 <= plan.repeat <= MOST_SEEDS or plan.recipe.seed + plan.repeat >= 2**32:
        raise InputError(f"--repeat is {shown(plan.repeat)}, expected 1 to {MOST_SEEDS} seeds after --seed")
    if plan.recipe.devices > 1 or started().world > 1:
        raise InputError(
            "a sweep trains each trial in one process: leave --devices out, and give the same command once for each "
            "device, with --device cuda:0, cuda:1 and so on"
        )
    require_outside(plan.out, plan.recipe)
    data, tasks = open_tasks(plan.recipe)
    if data.validation is None or not len(data.validation):
        raise InputError(
            f"a sweep compares trials on the validation split, and data set '{plan.recipe.data.name}' has none here: "
            f"{how_to_validate(plan.recipe)}; a sweep never uses the test split"
        )
    return tasks


def _trials(plan: Plan, storage: RDBStorage) -> Queue:
    """The queue of a plan's trials; raises `InputError` for a study with another recipe or other ranges."""
    study = _study(storage, plan.out.absolute().name, MedianPruner(RANDOM, plan.recipe.epochs // 4))
    mine = {
        RECIPE: {
            key: shown(value, 200) for key, value in leaves(identified(plan.recipe)).items() if key not in MACHINES
        },
        OVER: {key: spell(distribution) for key, distribution in plan.space.items()},
    }
    for attribute, values in mine.items():
        if attribute not in study.user_attrs:
            study.set_user_attr(attribute, values)
        _require_same(plan, study.study_name, attribute, study.user_attrs[attribute], values)
    count = max(plan.trials, study.user_attrs.get(TRIALS, 0))
    study.set_user_attr(TRIALS, count)
    queue = Queue(storage, study, plan.out, count, lambda number: f"trial-{number:03d}")
    queue.fill()
    return queue


def _require_same(plan: Plan, study: str, attribute: str, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    for key in dict.fromkeys([*then, *now]):
        if then.get(key) != now.get(key):
            what = key if attribute == RECIPE else f"--over {key}"
            raise InputError(
                f"study '{study}' in the storage has {what} {then.get(key, 'not given')}, but now it is "
                f"{now.get(key, 'not given')}: give the same command as before, or another folder with --out: its "
                "last part names the study"
            )


def _study(storage: RDBStorage, name: str, pruner: MedianPruner | None = None) -> Study:
    return optuna.create_study(
        storage=storage, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
    )


def _repeat(plan: Plan, storage: RDBStorage, best: int, tasks: Mapping[str, Task]) -> Repeats | None:
    """The default setting and the best trial with fresh seeds, by turns; None while another process trains any.

    The seed of the trials is not among them: the best of many trials partly owes its score to that seed.
    """
    name = f"{plan.out.absolute().name}: trial {best} again"
    seeds = range(plan.recipe.seed + 1, plan.recipe.seed + 1 + plan.repeat)
    titles = ("default", f"trial-{best:03d}")
    queue = Queue(
        storage,
        _study(storage, name),
        plan.out,
        2 * plan.repeat,
        lambda number: f"{titles[number % 2]}-seed{seeds[number // 2]}",
    )
    queue.fill()
    recipes = (plan.recipe, with_values(plan.recipe, _values(storage, plan, best), "a trial"))
    for trial in queue.taken():
        say(f"\n{queue.folder(trial.number).name} ({trial.number + 1} of {queue.count})")
        recipe = recipes[trial.number % 2].model_copy(update={"seed": seeds[trial.number // 2]})
        train_trial(queue, trial, recipe, tasks, prunes=False)
    if queue.open_trials():
        return None
    scores = [trial.user_attrs.get(SCORES, dict.fromkeys(tasks, float("nan"))) for trial in queue.study.get_trials()]
    return Repeats(best, seeds, scores[: queue.count : 2], scores[1 : queue.count : 2])


def _values(storage: RDBStorage, plan: Plan, number: int) -> dict[str, Any]:
    params = _study(storage, plan.out.absolute().name).get_trials(deepcopy=False)[number].params
    return {key: params[key] for key in plan.space}


def best_recipe(outcome: Outcome) -> Recipe | None:
    """The recipe of the best trial, with the seed of the sweep; None before one is finished."""
    if outcome.best is None:
        return None
    values = outcome.best.values if outcome.best.number else {}
    return with_values(outcome.recipe, values, "the best trial")
