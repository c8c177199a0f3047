"""Starting from single-task networks that were trained before, as the method's authors do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.names import name_fault
from afanet.networks.lora.file import OF_ADAPTERS
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.run import load_begun

BACKBONE = "backbone."  # how the names of a branch's tensors outside its head begin


class Branch(NamedTuple):
    """A task's branch in a run that trained only this task: the run's folder, and tensors by name in the branch."""

    path: Path
    weights: dict[str, Tensor]


def warm_start(network: nn.Module, tasks: Sequence[str], runs: Sequence[Path], heads: bool = True) -> str:
    r"""Load every task's branch from the run in `runs` that trained only this task; returns a line on what was loaded.

    `runs` are folders of runs with the method `single`: one of all tasks, or several that have each task once. Without
    `heads`, only backbones are loaded. If tasks share a tensor w of a trunk, it begins as the mean of the tensors of
    their single-task backbones (weight averaging), computed in float64; a counter, such as of batches in batch norm, is
    that of the first task:

    .. math:: w = \frac{1}{N} \sum_{t=1}^{N} w_t

    Wortsman et al., Model soups: averaging weights of multiple fine-tuned models, ICML 2022, average networks that
    began with the same weights, as the backbones here do if they are pre-trained.

    Parts without a counterpart, such as fusion layers and attention, stay as initialised, and the line names them.

    Raises `InputError` for a run of another method, for a task that none of the runs has or two have, for branches that
    differ from this network's, for a shared trunk that is frozen and not the same in all of them, and for adapters in a
    shared trunk; nothing is left out silently.
    """
    branches = _read_branches(tasks, runs)
    for task in tasks:
        if task not in branches:
            raise InputError(
                f"no given run has task '{task}', found {', '.join(branches) or 'none'}: "
                "train it with the method 'single'"
            )
    leader = network.get_submodule(f"branches.{tasks[0]}")
    shared = _shared(network, tasks)
    _require_trunk(leader, shared, branches)
    fixed = _fixed(leader, shared)
    _require_same(fixed, shared, branches)
    means = {name: _mean([branches[task].weights[name] for task in sharing]) for name, sharing in shared.items()}
    loaded, reports = set[str](), []
    for task in tasks:
        branch = network.get_submodule(f"branches.{task}")
        averages = {name: mean for name, mean in means.items() if task in shared[name]}
        names = _load(branch, task, branches[task], averages, heads)
        loaded |= {f"branches.{task}.{name}" for name in names}
        reports.append(f"{task} from {branches[task].path} ({len(names)} of {len(branch.state_dict())} tensors)")
    if averaged := len(means) - len(fixed):
        reports.append(f"the shared trunk is the mean of their backbones ({averaged} tensors)")
    if fresh := Counter(_part(name) for name in network.state_dict() if name not in loaded):
        reports.append("as initialised: " + ", ".join(f"{part} ({count} tensors)" for part, count in fresh.items()))
    return f"warm start: {'; '.join(reports)}"


def require_same_images(recipe: Recipe) -> None:
    """Raise `InputError` if a run of the warm start learnt from images with another normalisation."""
    ours = normalisation(recipe.network)
    for path in recipe.warm_start or ():
        theirs = normalisation(load_begun(path).recipe.network)
        if theirs != ours:
            raise InputError(
                f"{path} normalises images by mean {list(theirs.mean)} and std {list(theirs.std)}, but this "
                f"network by {list(ours.mean)} and {list(ours.std)}: give network.mean and network.std of that run"
            )


def _read_branches(tasks: Sequence[str], runs: Sequence[Path]) -> dict[str, Branch]:
    """The branch of each task, from the run that trained only this task."""
    branches: dict[str, Branch] = {}
    for path in runs:
        run = load_begun(path)
        if run.recipe.network.method != "single":
            raise InputError(
                f"{path} is a run of method '{run.recipe.network.method}', expected 'single': a warm start begins with "
                "single-task networks"
            )
        weights = run.weights()
        trunk: dict[str, Tensor] = {}  # that of the run's first task, if it is frozen and serves all
        for task in dict.fromkeys(name.split(".")[1] for name in weights if name.startswith("branches.")):
            if fault := name_fault(task):
                raise InputError(f"{path} has weights of a task {task!r:.80}, which {fault}: train it again")
            if task in branches and task in tasks:
                raise InputError(f"task '{task}' is in {branches[task].path} and in {path}: give one of them")
            start = f"branches.{task}."
            own = {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}
            if run.recipe.network.freeze and not trunk:
                trunk = {name: w for name, w in own.items() if name.startswith(BACKBONE)}
            branches[task] = Branch(path, trunk | own)
    return branches


def _load(branch: nn.Module, task: str, begun: Branch, averages: Mapping[str, Tensor], heads: bool) -> list[str]:
    """Load a branch of the network, with `averages` in place of the task's own; returns the names that were loaded."""
    wanted = {name: x for name, x in branch.state_dict().items() if heads or name.startswith(BACKBONE)}
    for name, tensor in wanted.items():
        _require_fit(begun, task, name, tensor)
    branch.load_state_dict({name: averages.get(name, begun.weights[name]) for name in wanted}, strict=False)
    return list(wanted)


def _shared(network: nn.Module, tasks: Sequence[str]) -> dict[str, list[str]]:
    """The backbone tensors of the first task's branch that serve several tasks, by name, with these tasks."""
    leader, *others = tasks
    states = {task: network.get_submodule(f"branches.{task}").state_dict() for task in tasks}
    shared: dict[str, list[str]] = {}
    for name, tensor in states[leader].items():
        if not name.startswith(BACKBONE):
            continue
        sharing = [
            task for task in others if name not in states[task] or states[task][name].data_ptr() == tensor.data_ptr()
        ]
        if sharing:
            shared[name] = [leader, *sharing]
    return shared


def _require_trunk(leader: nn.Module, shared: Mapping[str, Sequence[str]], branches: Mapping[str, Branch]) -> None:
    """Raise `InputError` for a first branch without a backbone, and for a task whose backbone is not like the trunk."""
    expected = leader.state_dict()
    if not any(name.startswith(BACKBONE) for name in expected):
        raise InputError(
            "the first task has no backbone in this network to load a single-task network into: leave warm_start "
            "out, or use another method"
        )
    for name, sharing in shared.items():
        for task in sharing:
            _require_fit(branches[task], task, name, expected[name])


def _fixed(leader: nn.Module, shared: Mapping[str, Sequence[str]]) -> list[str]:
    """The shared tensors that are frozen; they include batch norm statistics if all parameters are frozen.

    Raises `InputError` if those that learn include adapters.
    """
    learns = {name: p.requires_grad for name, p in leader.named_parameters(remove_duplicate=False) if name in shared}
    if factors := [name for name, learning in learns.items() if learning and {*OF_ADAPTERS} & {*name.split(".")}]:
        raise InputError(
            f"all tasks share the adapters of one trunk, such as '{factors[0]}', and the mean of their factors is not "
            "that of their products: give network.lora.by task where the method can, or leave warm_start out"
        )
    return [name for name in shared if not learns.get(name, any(learns.values()))]


def _require_same(fixed: Sequence[str], shared: Mapping[str, Sequence[str]], branches: Mapping[str, Branch]) -> None:
    """Raise `InputError` if a frozen tensor is not the same for all tasks: their mean could not learn."""
    for name in fixed:
        first, *others = shared[name]
        for task in others:
            if not torch.equal(branches[task].weights[name], branches[first].weights[name]):
                raise InputError(
                    f"all tasks share one frozen trunk, but its '{name}' in {branches[task].path} (task '{task}') is "
                    f"not that in {branches[first].path} (task '{first}'): start from runs of one frozen backbone, or "
                    "freeze less"
                )


def _require_fit(branch: Branch, task: str, name: str, expected: Tensor) -> None:
    """Raise `InputError` if a branch does not have the tensor that the network expects under this name."""
    tensor = branch.weights.get(name)
    if tensor is None or tensor.shape != expected.shape:
        had = "nothing" if tensor is None else tuple(tensor.shape)
        raise InputError(
            f"{branch.path} has {had} for 'branches.{task}.{name}', expected {tuple(expected.shape)}: train it with "
            "this backbone, output stride and these classes, or leave the heads out with warm_heads false"
        )


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """The elementwise mean of tensors of one shape; for whole numbers, the first tensor."""
    first = tensors[0]
    if not first.is_floating_point():
        return first
    return torch.stack([tensor.double() for tensor in tensors]).mean(0).to(first.dtype)


def _part(name: str) -> str:
    """The part of a network that a tensor belongs to, for a sentence.

    >>> _part("fusion.depth.layer4.mask.0.weight"), _part("branches.depth.head.aspp.0.weight")
    ('fusion', 'branches.depth.head')
    """
    first, *rest = name.split(".")
    return ".".join([first, *rest[:2]]) if first == "branches" else first
