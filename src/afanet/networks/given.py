"""Checks the branches, the fusion and the example that are passed to `weave`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from afanet.errors import InputError, shown
from afanet.names import name_fault

ATTRIBUTES = frozenset(dir(nn.Module()))


def require_task_names(tasks: Iterable[object]) -> None:
    """Raise `InputError` for a name that is not a Python identifier or cannot be an attribute of a module."""
    for task in tasks:
        if fault := name_fault(task, ATTRIBUTES):
            raise InputError(
                f"{task!r:.80} cannot name a task, since it {fault}: parameters are called branches.TASK..., so choose "
                "a plain word"
            )


def checked_tasks(branches: Mapping[str, nn.Module]) -> list[str]:
    """The names of the branches; raises `InputError` unless these are different modules with valid names."""
    if not isinstance(branches, Mapping):
        raise InputError(
            f"weave got branches as a {type(branches).__name__}: expected a dict of networks by task name, such as "
            "{'depth': network, 'age': another}"
        )
    if not branches:
        raise InputError("weave got no branches: expected single-task networks by task name")
    require_task_names(branches)
    for task, branch in branches.items():
        if not isinstance(branch, nn.Module):
            raise InputError(f"branch '{task}' is a {type(branch).__name__}: expected a torch.nn.Module")
        if sum(candidate is branch for candidate in branches.values()) > 1:
            raise InputError(f"branch '{task}' is the same object as another: pass copy.deepcopy of it, or use `share`")
    return list(branches)


def checked_added(added: Sequence[Sequence[str]] | None, tasks: Sequence[str]) -> list[list[str]]:
    """The groups of tasks that joined the others; raises `InputError` unless they are the last tasks, in this order."""
    groups = [] if added is None else [[group] if isinstance(group, str) else list(group) for group in added]
    names = [task for group in groups for task in group]
    if not all(groups) or len(names) >= len(tasks) or names != list(tasks)[len(tasks) - len(names) :]:
        raise InputError(
            f"added is {shown(groups)}, but the tasks are {', '.join(tasks)}: expected groups of the last tasks, such "
            f"as [[{tasks[-1]!r}]], and at least one task before them"
        )
    return groups


def require_fusion(fusion: object, needed: bool) -> None:
    """Raise `InputError` unless `fusion` can make a fusion layer for each meeting."""
    if fusion is None and needed:
        raise InputError("weave got layers to meet `at` but no fusion layer: pass one, such as afanet.AFA")
    if isinstance(fusion, nn.Module):
        raise InputError(
            f"`fusion` is a module of class {type(fusion).__name__}: expected the class itself, or another callable "
            "that makes a new layer for each point"
        )
    if fusion is not None and not callable(fusion):
        raise InputError(
            f"`fusion` is {shown(fusion)}: expected a class such as afanet.AFA; afanet.create_network takes methods by "
            "name"
        )


def example_for(branches: Mapping[str, nn.Module], example: Tensor | Sequence[int] | None) -> Tensor:
    """A tensor with the shape, type and device of the images, without memory for the pixels."""
    shape = example.shape if isinstance(example, Tensor) else (1, 3, 224, 224) if example is None else tuple(example)
    if len(shape) != 4:
        raise InputError(
            f"example has the shape {tuple(shape)}: expected an image batch, (batch, channels, height, width)"
        )
    like = example if isinstance(example, Tensor) else next(_floating_parameters(branches), torch.empty(0))
    # at least two images: in training, batch norm refuses a single value per channel
    return like.new_empty(()).expand(max(2, shape[0]), *shape[1:])


def _floating_parameters(branches: Mapping[str, nn.Module]) -> Iterator[Tensor]:
    for branch in branches.values():
        yield from (parameter for parameter in branch.parameters() if parameter.is_floating_point())
