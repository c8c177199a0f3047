"""A trunk that coroutines share: in each pass the first branch computes it, and the others reuse its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import zip_longest
from threading import RLock
from typing import Any

import torch
from torch import nn

from afanet.errors import InputError
from afanet.networks.contents import leaves_of
from afanet.networks.record import EnoughError, Record, grey
from afanet.networks.trace import call
from afanet.networks.undisturbed import undisturbed

# While a pass replaces what layers compute, no other thread may run them.
_ALONE = RLock()


class SharedTrunk:
    """The layers that run up to `layer` in the branch of `task`."""

    def __init__(self, task: str, layer: str, layers: Sequence[str]) -> None:
        self.task = task
        self.layer = layer
        self.layers = list(layers)

    @contextmanager
    def computed_once(self, network: nn.Module, counted: Callable[[], Counter[str] | None]) -> Iterator[None]:
        """A context in which the n-th call of a trunk's layer by any branch returns the result of the first such call.

        `counted` returns how often the running branch has called each layer so far; None outside this pass.
        """
        answers: dict[tuple[str, int], Any] = {}
        layers = {name: network.get_submodule(f"branches.{self.task}.{name}") for name in self.layers}
        with _ALONE:
            before = {name: dict(vars(layer)) for name, layer in layers.items()}
            try:
                for name, layer in layers.items():
                    vars(layer)["forward"] = self._remembering(name, layer.forward, answers, counted)
                yield
            finally:
                for name, layer in layers.items():
                    del layer.forward
                    vars(layer).update({key: value for key, value in before[name].items() if key == "forward"})

    def _remembering(
        self, name: str, forward: Callable[..., Any], answers: dict[tuple[str, int], Any], counted: Any
    ) -> Callable[..., Any]:
        def remembered(*args: Any, **kwargs: Any) -> Any:
            calls = counted()
            if calls is None:
                return forward(*args, **kwargs)
            key = name, calls[name]
            calls[name] += 1
            if key not in answers:
                answers[key] = forward(*args, **kwargs)
            return answers[key]

        return remembered


def share_trunk(records: Mapping[str, Record], layer: str) -> SharedTrunk:
    """Replace the other branches' trunks up to `layer`, layers and parameters, by the first branch's.

    Raises:
        InputError: if the branches are not alike up to this layer.
    """
    leader, *others = records
    trunk = SharedTrunk(leader, layer, layers_before(records[leader], layer))
    for task in others:
        for ours, theirs in zip_longest(_signatures(records[leader], layer), _signatures(records[task], layer)):
            if ours != theirs:
                raise InputError(
                    f"branches '{leader}' and '{task}' cannot share one trunk up to '{layer}': '{ours and ours[0]}' of "
                    f"'{leader}' and '{theirs and theirs[0]}' of '{task}' are not alike; share up to an earlier layer"
                )
    branch = records[leader].branch
    own = parameters_before(records[leader], layer)
    for task in others:
        for name in trunk.layers:
            records[task].branch.set_submodule(name, branch.get_submodule(name))
        for name in own:
            owner, _, last = name.rpartition(".")
            records[task].branch.get_submodule(owner).register_parameter(last, branch.get_parameter(name))
    return trunk


def layers_before(record: Record, layer: str) -> list[str]:
    """The outermost layers that run up to `layer` and not also after it, in the order in which they run."""
    names = [name for name, _ in record.run().shapes]
    end = names.index(layer) + 1
    ended = set(names[:end])
    # A layer that also runs after the trunk, such as a ViT's last norm, stays each branch's own.
    own = set(names[end:])
    return list(dict.fromkeys(name for name in names[:end] if name not in own and not _enclosed(name, ended)))


def _enclosed(name: str, ended: set[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:depth]) in ended for depth in range(1, len(parts)))


def _signatures(record: Record, layer: str) -> list[tuple[str, Any]]:
    """What must be equal in two trunks: the order in which layers are called, and the shapes of their tensors."""
    trunk = set(layers_before(record, layer))
    names = [name for name, _ in record.run().shapes]
    ran = [name for name in names[: names.index(layer) + 1] if name in trunk]
    shapes = {name: record.branch.get_submodule(name).state_dict() for name in trunk}
    return [(name, {key: tensor.shape for key, tensor in shapes[name].items()}) for name in ran]


def parameters_before(record: Record, layer: str) -> list[str]:
    """The parameters, outside the trunk's layers, on which the layer's output depends, such as positions and tokens."""
    trunk = tuple(f"{name}." for name in layers_before(record, layer))
    outside = {name: parameter for name, parameter in record.branch.named_parameters() if not name.startswith(trunk)}
    frozen = [p for p in outside.values() if p.is_floating_point() and not p.requires_grad]
    depends: set[int] = set()

    def look(module: nn.Module, given: Any, output: Any) -> None:
        depends.update(leaves_of(output))
        raise EnoughError

    hook = record.branch.get_submodule(layer).register_forward_hook(look)
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with undisturbed(record.branch), record.fake or nullcontext(), torch.enable_grad():
            call(record.branch, grey(record.example))
    except EnoughError:
        pass
    finally:
        hook.remove()
        for parameter in frozen:
            parameter.requires_grad_(False)
    return [name for name, parameter in outside.items() if id(parameter) in depends]
