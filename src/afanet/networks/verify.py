"""Runs a woven network once before it is returned, so that nothing fails later in the user's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError, raised_at, shown
from afanet.networks.contents import leaves_of, parts_of
from afanet.networks.record import Record, grey
from afanet.networks.stops import Stop
from afanet.networks.trace import UntraceableError, first_line
from afanet.networks.undisturbed import undisturbed
from afanet.networks.woven import Woven

Leaves = dict[str, list[Tensor]]  # by fusion layer, the zeros that were added to each task's fused features


def require_sound(
    network: Woven, like: Tensor, own: Mapping[str, Record], stops: Sequence[Stop], share: str | None
) -> None:
    """Run a woven network once, on fake tensors if possible, and compare it with its branches running by themselves.

    Args:
        network: the woven network.
        like: a tensor with the shape, type and device of the images.
        own: the record of each branch; if empty, outputs are not compared and need not depend on fused features.
        stops: where the branches meet.
        share: the last layer of their common trunk.

    Raises:
        UntraceableError: if it fails, or if its outputs differ from the branches' own in structure, shape or type.
        InputError: if a fusion layer does not return one tensor per task, if a task's output does not depend on its
            fused features, or if a layer changes the output of the trunk up to `share` in place.
    """
    meetings = [meeting for stop in stops for meeting in stop.meetings]
    names = [meeting.name for meeting in meetings]
    trunk = f"branches.{network.tasks[0]}.{share}" if share and len(network.tasks) > 1 else None
    run = partial(_run, network, like, names, trunk)
    leader = next(iter(own.values()), None)
    try:
        outputs, leaves = run(leader.fake if leader else FakeTensorMode(allow_non_fake_inputs=True))
    except InputError:
        raise
    except Exception:  # code that depends on values fails on fake tensors; real tensors show what is wrong
        try:
            outputs, leaves = run(None)
        except InputError:
            raise
        except Exception as error:
            raise UntraceableError(
                f"the woven network fails on images of {'x'.join(map(str, like.shape[1:]))} "
                f"({first_line(error)}; {raised_at(error) or type(error).__name__}), but its branches alone do not: "
                "meet at other layers"
            ) from error
    for task, record in own.items():
        _require_alike(task, outputs[task], record.run().result)
        reached = leaves_of(outputs[task])
        for meeting in meetings if can_learn(network) else ():
            number = list(meeting.layouts).index(task)
            if id(leaves[meeting.name][number]) not in reached:
                raise InputError(
                    f"the output of '{task}' does not depend on its fused features of '{meeting.name}': the branch "
                    "does not use that tensor of the layer's output, so meet at a layer whose output it uses"
                )


def _run(
    network: Woven, like: Tensor, names: Sequence[str], trunk: str | None, fake: FakeTensorMode | None
) -> tuple[dict[str, Any], Leaves]:
    """The network's outputs, and a zero that was added to every task's fused features, by fusion layer."""
    leaves: Leaves = {}
    layers = {name: network.get_submodule(f"fusion.{name}") for name in names}
    hooks = [layer.register_forward_hook(partial(_mark, leaves, name)) for name, layer in layers.items()]
    if trunk is not None and can_learn(network):
        watch = partial(_require_kept, [], trunk)
        hooks += [module.register_forward_hook(partial(watch, name)) for name, module in network.named_modules()]
    try:
        with (
            undisturbed(network, quick=fake is not None),
            fake or nullcontext(),
            torch.inference_mode(not can_learn(network)),
            torch.set_grad_enabled(can_learn(network)),
        ):
            return network(grey(like)), leaves
    finally:
        for hook in hooks:
            hook.remove()


def can_learn(network: nn.Module) -> bool:
    """False for a network that was built in inference mode: its outputs do not record what they depend on."""
    return not any(parameter.is_inference() for parameter in network.parameters())


def _mark(leaves: Leaves, name: str, layer: nn.Module, given: tuple[Sequence[Tensor], ...], fused: Any) -> list[Tensor]:
    """A hook: add a zero to every fused tensor, on which the outputs then depend."""
    count = sum(map(len, given))
    if not isinstance(fused, list | tuple) or len(fused) != count or not all(isinstance(x, Tensor) for x in fused):
        raise InputError(
            f"the fusion layer '{name}' ({type(layer).__name__}) returns {shown(fused)}, expected a list of {count} "
            "tensors, one for each input"
        )
    leaves[name] = [torch.zeros_like(x, requires_grad=True) for x in fused]
    return [x + leaf for x, leaf in zip(fused, leaves[name], strict=True)]


def _require_kept(
    kept: list[tuple[Tensor, int]], trunk: str, name: str, module: nn.Module, given: Any, output: Any
) -> None:
    """A hook for every layer: raise `InputError` as soon as the shared trunk's output was changed in place."""
    if any(tensor._version != version for tensor, version in kept):
        share = trunk.removeprefix("branches.").partition(".")[2]
        raise InputError(
            f"the branches share one trunk up to '{share}', but '{name}' changes the trunk's output in place, so the "
            "other branches would get it changed: pass inplace=False to that layer, or share up to it"
        )
    if name == trunk and not kept:
        kept += [(part, part._version) for _, part in parts_of(output) if isinstance(part, Tensor)]


def _require_alike(task: str, output: Any, own: Any) -> None:
    """Raise `UntraceableError` if a task's output differs from its branch's own in structure, shape or type."""
    parts, own_parts = ([f"{path} {_kind(part)}".strip() for path, part in parts_of(x)] for x in (output, own))
    for part, own_part in zip_longest(parts, own_parts, fillvalue="nothing more"):
        if part != own_part:
            raise UntraceableError(
                f"the woven network gives '{task}' {part}, but its branch alone gives {own_part}: meet at other layers"
            )


def _kind(value: Any) -> str:
    """What must be equal in two outputs: the shape and type of a tensor, and the types of all else."""
    if isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)}"
    return value.__name__ if isinstance(value, type) else type(value).__name__
