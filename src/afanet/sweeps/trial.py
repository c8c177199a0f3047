"""One trial of a sweep: its values are proposed, it is trained, and it is pruned if it does worse than others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from optuna import TrialPruned
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState

from afanet.errors import InputError
from afanet.progress import say
from afanet.recipe.schema import Recipe
from afanet.runs.finite import DivergedError
from afanet.sweeps.queue import Queue
from afanet.sweeps.score import Scores, main_scores, value_of
from afanet.sweeps.space import Space, own_values
from afanet.tasks import Described
from afanet.training.run import train

RANDOM = 5  # trials before proposals follow the scores
LENGTHS = ("epochs", "steps")  # if these are searched, epochs of different trials are not comparable
SCORES, FAULT = "scores", "fault"  # what is kept of a trial besides its values and its score


def propose(queue: Queue, number: int, recipe: Recipe, space: Space) -> dict[str, Any]:
    """The values of a trial by key; empty for the unchanged recipe if it lies outside the space.

    Trial 0 is the unchanged recipe. The others come from a tree-structured Parzen estimator (Bergstra et al., NeurIPS
    2011), each value with its own seed, made from the recipe's seed, the trial's number and the key. So they depend
    only on the finished trials, and are the same after a kill.
    """
    own = own_values(recipe, space) if number == 0 else {}
    if own is None:
        return {}
    trial = queue.storage.get_trial(queue.id_of(number))
    values = dict(trial.params)
    for index, (key, distribution) in enumerate(space.items()):
        if key in values:
            continue
        seed = int(np.random.SeedSequence([recipe.seed, number, index]).generate_state(1)[0])
        sampler = TPESampler(seed=seed, n_startup_trials=RANDOM, multivariate=False)
        sampled = own[key] if own else sampler.sample_independent(queue.study, trial, key, distribution)
        internal = distribution.to_internal_repr(sampled)
        queue.storage.set_trial_param(queue.id_of(number), key, internal, distribution)
        values[key] = distribution.to_external_repr(internal)
    return {key: values[key] for key in space}


def train_trial(queue: Queue, trial: Trial, recipe: Recipe, tasks: Mapping[str, Described], prunes: bool) -> None:
    """Train a trial by its recipe, from its last checkpoint if it has one, and tell the study how it ended.

    It is pruned after an epoch, except the last, if its score is below the median of the others at that epoch. A trial
    that diverges counts as pruned too, so that later proposals avoid its values.

    Raises `InputError` for anything in the recipe or the data that cannot be used; the trial stays open.
    """
    reported = queue.storage.get_trial(queue.id_of(trial.number)).intermediate_values

    def watch(epoch: int, scores: Scores) -> None:
        main = main_scores(scores, tasks)
        value = value_of(main, tasks)
        if math.isnan(value):
            raise InputError(_unscored(main, tasks))
        if epoch not in reported:
            trial.report(value, epoch)
        if prunes and epoch < recipe.epochs and trial.should_prune():
            trial.set_user_attr(SCORES, main)
            raise TrialPruned

    try:
        run = train(recipe, queue.folder(trial.number), resume=True, watch=watch)
    except TrialPruned:
        say("pruned: others did better after as many epochs")
        queue.study.tell(trial, state=TrialState.PRUNED)
        return
    except (DivergedError, torch.OutOfMemoryError) as error:
        fault = str(error) if isinstance(error, InputError) else "it takes more memory than the device has"
        say(f"failed: {fault}")
        trial.set_user_attr(FAULT, fault)
        queue.study.tell(trial, state=TrialState.PRUNED)
        return
    main = main_scores(run.results["validation"], tasks)
    trial.set_user_attr(SCORES, main)
    queue.study.tell(trial, value_of(main, tasks))


def _unscored(main: Mapping[str, float], tasks: Mapping[str, Described]) -> str:
    name = next(name for name, score in main.items() if math.isnan(score))
    return (
        f"a sweep compares trials by the {tasks[name].main_metric} of task '{name}' on the validation split, which has "
        "no value there, since labels are missing or all the same: label some, or leave the task out with tasks"
    )
