"""Traces a network into one graph, for any batch and image size if possible; an error names the part that fails."""

from __future__ import annotations

import logging
import math
import operator
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram

from afanet.errors import InputError, raised_at
from afanet.export.pooling import PoolingSpelledOut
from afanet.export.same_padding import same_padding_spelled_out
from afanet.tasks import Task


class Estimator(nn.Module):
    """A network that returns its tasks' estimates instead of logits, as an exported file does.

    With `some`, the network has more tasks than `tasks`, and only the parts that these need are computed.

    >>> from afanet.tasks import Classification
    >>> class Net(nn.Module):
    ...     def forward(self, image: Tensor) -> dict[str, Tensor]:
    ...         return {"age": image.mean((2, 3))}
    >>> Estimator(Net(), {"age": Classification("age", ["a", "b", "c"])})(torch.zeros(2, 3, 4, 4))["age"].sum(1)
    tensor([1., 1.])
    """

    def __init__(self, network: nn.Module, tasks: Mapping[str, Task], *, some: bool = False) -> None:
        super().__init__()
        self.options = {"tasks": list(tasks)} if some else {}
        self.network = network
        self.tasks = dict(tasks)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Estimates by task, in the order of the tasks, for normalised images (B, C, H, W)."""
        logits = self.network(image, **self.options)
        return {name: task.estimate(logits[name]) for name, task in self.tasks.items()}


@dataclass(frozen=True)
class Traced:
    """A graph, and whether it takes any number of images (`batch`) and images of any size (`size`)."""

    program: ExportedProgram
    batch: bool
    size: bool


def trace(estimator: Estimator, size: tuple[int, int], channels: int = 3, *, free: bool = True) -> Traced:
    """The graph of `estimator` in evaluation mode, for images with `channels` channels and `size` = (H, W).

    The graph takes any number of images of any size. If this fails, it takes any number of this size. If this fails
    too, or without `free`, it takes one image of this size. A graph for several shapes is tried on another shape than
    the example's. Raises an `InputError` that names the innermost module for which no graph can be made.
    """
    shape = (channels, *size)
    for batch, sizes in ((True, True), (True, False)) if free else ():
        try:
            program = _follow(estimator, shape, batch, sizes)
            other = (size[0] + 33, size[1] + 17) if sizes else size
            with quiet(), torch.no_grad():
                program.module()(torch.zeros(3, channels, *other))
        except Exception:  # the graph's own guards raise if it is tied to the example
            continue
        return Traced(program, batch, sizes)
    return Traced(_follow(estimator, shape, False, False), False, False)


def _follow(estimator: Estimator, shape: tuple[int, int, int], batch: bool, sizes: bool) -> ExportedProgram:
    free = dict.fromkeys([0] * batch + [2, 3] * sizes, Dim.AUTO)
    with _entered(estimator.eval()) as inside, torch.no_grad(), quiet():
        try:
            with PoolingSpelledOut(), same_padding_spelled_out(estimator):
                program = torch.export.export(
                    estimator, (torch.zeros(1 + batch, *shape),), dynamic_shapes=(free,), strict=False
                )
        except Exception as error:  # the network's own code and torch can raise anything
            raise InputError(cannot(inside[-1] if inside else "", estimator, error)) from error
    _divide_whole(program.graph)
    if estimator.options:
        _drop_unused(program)
    return program


def cannot(path: str, estimator: nn.Module, error: BaseException) -> str:
    """The message for a network whose part at `path` cannot be exported."""
    kind = type(estimator.get_submodule(path)).__name__
    part = f"its part '{path.removeprefix('network.')}' ({kind})" if path not in ("", "network") else "it"
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    where = raised_at(error)
    return (
        f"the network cannot be exported, because {part} cannot be written as one graph: {reason}"
        f"{f' ({where})' if where else ''}; write that part with torch's own operations, without branches that depend "
        "on values"
    )


def _drop_unused(program: ExportedProgram) -> None:
    """Remove parameters and buffers that nothing in the graph reads, so that files do not hold them."""
    unused = {node.name: node for node in program.graph.nodes if node.op == "placeholder" and not node.users}
    specs = program.graph_signature.input_specs
    for spec in [spec for spec in specs if spec.arg.name in unused and spec.target in program.state_dict]:
        specs.remove(spec)
        del program.state_dict[spec.target]
        program.graph.erase_node(unused[spec.arg.name])
    program.graph_module.recompile()


def _divide_whole(graph: fx.Graph) -> None:
    """Rewrite ceil(a / b) of sizes, which timm's padding uses, as -(-a // b): torch's files cannot hold a ceil."""
    for node in list(graph.nodes):
        quotient = node.args[0] if node.target is math.ceil else None
        if isinstance(quotient, fx.Node) and quotient.target is operator.truediv:
            a, b = quotient.args
            with graph.inserting_before(node):
                below = graph.call_function(operator.neg, (a,))
                floor = graph.call_function(operator.floordiv, (below, b))
                ceiling = graph.call_function(operator.neg, (floor,))
            for new, value in ((below, -_size(a)), (floor, -_size(a) // _size(b)), (ceiling, node.meta["val"])):
                new.meta = {**node.meta, "val": value}
            node.replace_all_uses_with(ceiling)
            graph.erase_node(node)
            if not quotient.users:
                graph.erase_node(quotient)


def _size(value: Any) -> Any:
    return value.meta["val"] if isinstance(value, fx.Node) else value


@contextmanager
def quiet() -> Iterator[None]:
    """A context without the messages that exporters print for their own developers."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


@contextmanager
def _entered(module: nn.Module) -> Iterator[list[str]]:
    """A context that yields the paths of the modules that are running, the innermost last."""
    inside: list[str] = []
    hooks = []
    for path, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(lambda part, given, path=path: inside.append(path)))
        hooks.append(part.register_forward_hook(lambda part, given, made: (inside.pop(), None)[1]))
    try:
        yield inside
    finally:
        for hook in hooks:
            hook.remove()
