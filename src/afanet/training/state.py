"""The state in a checkpoint from which training resumes, checked against the run that is to continue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, FiniteFloat
from torch import Tensor

from afanet.errors import InputError
from afanet.runs.checkpoint import tensors_fault
from afanet.runs.finite import find_nonfinite
from afanet.runs.kept import THREADS, Count, Kept, check_kept, not_ours
from afanet.training.epoch_losses import EpochLosses
from afanet.training.learner import Learner
from afanet.training.optimisation import slots, slots_fault


class _State(Kept):
    model_config = ConfigDict(arbitrary_types_allowed=True)


class _Optimizer(_State):
    state: dict[int, dict[str, Tensor]]


class _Balancing(_State):
    name: str
    scale: Literal["equal", "paper"] = "paper"
    last: Tensor
    seed: int
    draws: Count
    methods: list[tuple[list[int], list[dict[str, Any]]]]


class _Learner(_State):
    network: dict[str, Tensor]
    optimizer: _Optimizer
    balancing: _Balancing
    average: dict[str, Tensor] | None
    guards: dict[str, tuple[Tensor, Tensor]]
    step: Count
    skipped: Count
    skipped_in_a_row: Count = 0
    nddr_momentum: Annotated[FiniteFloat, Field(ge=0, le=1)] = 0.1


class _Selection(_State):
    first: dict[str, float]
    best: float
    epoch: Count


class _Training(_State):
    """The keys of `training` in a checkpoint that are read; keys with a default are missing from older runs."""

    learner: _Learner
    sums: Tensor
    seconds: Annotated[FiniteFloat, Field(ge=0)]
    selection: _Selection
    threads: Annotated[int, Field(ge=1, le=THREADS)]
    loggers: dict[str, str] = Field({})
    features: str = ""
    answers: str = ""
    teachers: dict[str, str] = Field({})
    label_counts: dict[str, list[Count]] = Field({})


def check_training(file: Path, saved: Mapping[str, Any]) -> dict[str, Any]:
    """The state from which training resumes, in a checkpoint that was read from `file`.

    Raises `InputError` for a checkpoint with only weights, such as `best.ckpt`, and for an invalid value.
    """
    training = saved.get("training")
    if training == {}:
        raise not_ours(file, "it has only weights, like best.ckpt, and no state to resume from")
    if not isinstance(training, dict):
        raise not_ours(file, "'training' is missing")
    check_kept(_Training, file, training)
    return training


def load_training(file: Path, saved: Mapping[str, Any], learner: Learner, losses: EpochLosses) -> None:
    """Load the state of a learner and of an epoch's losses, which `check_training` has checked.

    Raises `InputError` for a state of another network, optimiser or balancing, and then changes nothing.
    """
    if fault := _fault(saved, learner, losses):
        raise not_ours(file, fault)
    try:
        learner.load_state(saved["learner"])
    except InputError as error:
        raise not_ours(file, str(error)) from None
    losses.load_state(saved["sums"])


def _fault(saved: Mapping[str, Any], learner: Learner, losses: EpochLosses) -> str | None:
    """Why the state belongs to another run, in words; None if it does not."""
    state, fresh = saved["learner"], learner.state()
    if not state["skipped"] <= state["step"] <= learner.steps:
        return f"it is from step {state['step']} of {learner.steps}, with {state['skipped']} skipped"
    if odd := set(saved["selection"]["first"]) - set(learner.tasks):
        return f"it has scores of '{min(odd):.60}', which is no task here"
    for part in ("network", "average", "guards"):
        ours, expected = _by_name(state[part]), _by_name(fresh[part])
        if fault := tensors_fault(ours, expected):
            return f"its {part} does not fit this network: {fault}"
        if fault := find_nonfinite(ours):
            return f"its {part} has values that are not finite: {fault}"
    if fault := tensors_fault({"sums": saved["sums"]}, {"sums": losses.like(saved["sums"])}):
        return fault
    now, then = learner.objective.digests, saved.get("teachers", {})
    if changed := [name for name in now if then.get(name) != now[name]]:
        return f"the teacher of '{changed[0]}' has other weights than when the run began: restore it"
    learnt, expected_slots = state["optimizer"]["state"], slots(learner.recipe.optimizer)
    if expected_slots and not learnt and state["skipped"] < state["step"] < learner.steps:
        return "its optimiser has no state"
    if fault := slots_fault(learnt, learner.parameters, expected_slots):
        return f"its optimiser does not fit this network: {fault}"
    return None


def _by_name(part: Mapping[str, Any] | None) -> dict[str, Tensor]:
    """Tensors by name, also those in the pairs of each guard; empty if there is no such part."""
    flat: dict[str, Tensor] = {}
    for name, value in (part or {}).items():
        flat |= {name: value} if isinstance(value, Tensor) else {f"{name}.acted": value[0], f"{name}.passes": value[1]}
    return flat
