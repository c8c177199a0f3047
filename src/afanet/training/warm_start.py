"""Starting from single-task networks that were trained before, as the method's authors do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.names import name_fault
from afanet.networks.methods import listed
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.run import load_begun


def warm_start(network: nn.Module, tasks: Sequence[str], runs: Sequence[Path], heads: bool = True) -> str:
    """Load every task's branch from the run among `runs` that trained it alone; returns a line on what it loaded.

    `runs` are folders of runs by the method `single`: one of all tasks, or several that have each task once. Without
    `heads` only backbones are loaded. Raises `InputError` for a run of another method, for a task that none of the runs
    has or two have, and for branches that differ from this network's; nothing is left out silently.
    """
    branches = _read_branches(tasks, runs)
    loaded = []
    for task in tasks:
        if task not in branches:
            raise InputError(
                f"no run given has task '{task}', found {', '.join(branches) or 'none'}: "
                "train it by the method 'single'"
            )
        path, weights = branches[task]
        branch = network.get_submodule(f"branches.{task}")
        expected = branch.state_dict()
        shared = _shared(network.get_submodule(f"branches.{tasks[0]}"), expected, leads=task == tasks[0])
        if shared is None:
            raise InputError(
                f"task '{task}' has no whole backbone of its own in this network to load a single-task network into: "
                f"warm start a method that shares no trunk: {listed(lambda row: row.fusion is not None)}"
            )
        first_path, first = branches[tasks[0]]
        for name in shared:
            if name not in weights or name not in first or not torch.equal(weights[name], first[name]):
                raise InputError(
                    f"all tasks share one frozen trunk, and its '{name}' in {path} (task '{task}') is not that in "
                    f"{first_path} (task '{tasks[0]}'): begin with runs of one frozen backbone, or freeze less"
                )
        wanted = {name: tensor for name, tensor in expected.items() if heads or name.startswith("backbone.")}
        for name, tensor in wanted.items():
            if name not in weights or weights[name].shape != tensor.shape:
                had = tuple(weights[name].shape) if name in weights else "nothing"
                raise InputError(
                    f"{path} has {had} for 'branches.{task}.{name}', expected {tuple(tensor.shape)}: train it with "
                    "this backbone, output stride and these classes, or leave the heads out with warm_heads false"
                )
        branch.load_state_dict({name: weights[name] for name in wanted}, strict=False)
        loaded.append(f"{task} from {path} ({len(wanted)} of {len(expected)} tensors)")
    return f"warm start: {'; '.join(loaded)}"


def require_same_images(recipe: Recipe) -> None:
    """Raise `InputError` where a run of the warm start learnt from images that were normalised otherwise."""
    ours = normalisation(recipe.network)
    for path in recipe.warm_start or ():
        theirs = normalisation(load_begun(path).recipe.network)
        if theirs != ours:
            raise InputError(
                f"{path} takes images less {list(theirs.mean)} and divided by {list(theirs.std)}, and this network "
                f"{list(ours.mean)} and {list(ours.std)}: give network.mean and network.std of that run"
            )


def _read_branches(tasks: Sequence[str], runs: Sequence[Path]) -> dict[str, tuple[Path, dict[str, Tensor]]]:
    """For each task that a run trained alone, the run's folder and the weights of the task's branch."""
    branches: dict[str, tuple[Path, dict[str, Tensor]]] = {}
    for path in runs:
        run = load_begun(path)
        if run.recipe.network.method != "single":
            raise InputError(
                f"{path} is a run of method '{run.recipe.network.method}', expected 'single': a warm start begins with "
                "single-task networks"
            )
        weights = run.weights()
        trunk: dict[str, Tensor] = {}  # of the run's first task, where a frozen one computes for all
        for task in dict.fromkeys(name.split(".")[1] for name in weights if name.startswith("branches.")):
            if fault := name_fault(task):
                raise InputError(f"{path} has weights of a task {task!r:.80}, which {fault}: train it anew")
            if task in branches and task in tasks:
                raise InputError(f"task '{task}' is in {branches[task][0]} and in {path}: give one of them")
            start = f"branches.{task}."
            own = {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}
            if run.recipe.network.freeze and not trunk:
                trunk = {name: own[name] for name in _backbone(own)}
            branches[task] = path, trunk | own
    return branches


def _shared(leader: nn.Module, own: Mapping[str, Tensor], leads: bool) -> list[str] | None:
    """The tensors of the frozen trunk that a branch has from the first, `leader`; None if they are not frozen."""
    theirs = leader.state_dict()
    parts = _backbone(theirs)
    if leads:
        return [] if parts else None
    shared = [name for name in parts if name not in own or own[name].data_ptr() == theirs[name].data_ptr()]
    learning = {name for name, parameter in leader.named_parameters() if parameter.requires_grad}
    return shared if parts and learning.isdisjoint(shared) else None


def _backbone(weights: Mapping[str, Tensor]) -> list[str]:
    return [name for name in weights if name.startswith("backbone.")]
