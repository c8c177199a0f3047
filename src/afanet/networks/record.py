"""What a branch does by itself, learnt by running it: its layers' outputs, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, is_dataclass
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError, raised_at
from afanet.networks.trace import first_line, in_mode, require_one_call, unlogged

IMAGE = "pixel_values"  # what others call the argument that takes the images


@dataclass
class Run:
    """One forward pass: the branch's result, what the named layers put out, and the shapes of all layers' outputs."""

    result: Any = None
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    shapes: list[tuple[str, Any]] = field(default_factory=list)  # by layer, in order; () for what is no tensor


class Record:
    """What the layers of one branch put out for an example image, and in which order they run.

    The branch runs in evaluation on fake tensors: shapes and types without arithmetic. One whose Python depends on
    values, which fake tensors do not have, computes for a grey image instead. Afterwards the branch is as before.

    Args:
        task: the branch's name, for messages.
        branch: the network, called with one image batch.
        layers: names of the layers whose outputs matter.
        example: a tensor like the images, of which only shape, type and device count.
        fake: the mode in which it runs; several records may have one.

    Raises:
        InputError: where the branch fails on such images, or calls one of the layers twice or never.
    """

    def __init__(
        self, task: str, branch: nn.Module, layers: Sequence[str], example: Tensor, fake: FakeTensorMode | None
    ) -> None:
        self.task = task
        self.branch = branch
        self.example = example
        self.layers = list(layers)
        self.fake = fake
        self._runs: dict[int, Run] = {}
        try:
            run = self.run()
        except InputError:
            self.fake = None
            run = self.run()
        for layer in layers:
            require_one_call(task, layer, len(run.outputs.get(layer, [])))

    def run(self, scale: int = 1) -> Run:
        """The forward pass for an image `scale` times as large as the example; a larger one ends after the layers."""
        if scale not in self._runs:
            self._runs[scale] = self._run(scale)
        return self._runs[scale]

    def output(self, layer: str, scale: int = 1) -> Any:
        """What a layer puts out for an image `scale` times as large as the example."""
        outputs = self.run(scale).outputs.get(layer, [])
        require_one_call(self.task, layer, len(outputs))
        return outputs[0]

    def position(self, layer: str) -> int:
        """When a layer ends, counted in calls."""
        return [name for name, _ in self.run().shapes].index(layer)

    def shapes_before(self, layer: str, scale: int = 1) -> list[tuple[str, Sequence[int]]]:
        """The layers that end before a layer does, in order, with the shapes of their outputs."""
        shapes = self.run(scale).shapes
        return shapes[: [name for name, _ in shapes].index(layer)]

    def image(self, scale: int = 1) -> Tensor:
        """A grey image, fake where the record is; call it where the record's fake tensors are made."""
        batch, channels, height, width = self.example.shape
        return self.example.new_full((batch, channels, scale * height, scale * width), 0.5)

    def _run(self, scale: int) -> Run:
        run = Run()
        note = partial(self._note, run, scale)
        hooks = [layer.register_forward_hook(partial(note, name)) for name, layer in self.branch.named_modules()]
        try:
            with undisturbed(self.branch, quick=scale > 1), unlogged(), self.fake or nullcontext(), torch.no_grad():
                run.result = call(self.branch, self.image(scale))
        except EnoughError:
            pass
        except InputError:
            raise
        except Exception as error:
            size = "x".join(
                str(n * factor) for n, factor in zip(self.example.shape[1:], (1, scale, scale), strict=True)
            )
            where = raised_at(error)
            raise InputError(
                f"branch '{self.task}' fails in {_where(self.branch, error)} on images of {size} "
                f"({first_line(error)}{f', {where}' if where else ''}): pass images that it takes, or their shape, as "
                "`example`"
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
        return run

    def _note(self, run: Run, scale: int, name: str, module: nn.Module, args: Any, output: Any) -> None:
        run.shapes.append((name, tuple(output.shape) if isinstance(output, Tensor) else ()))
        if name in self.layers:
            run.outputs.setdefault(name, []).append(output)
            if scale > 1 and len(run.outputs) == len(self.layers):
                raise EnoughError


class EnoughError(Exception):
    """All that is asked of a pass is known, and the rest need not run: no fault, and nobody sees it."""


def call(branch: nn.Module, image: Tensor) -> Any:
    """A branch's own answer; the image goes under the name `pixel_values` where the branch has such an argument."""
    return branch(**{IMAGE: image}) if takes_by_name(branch) else branch(image)


def takes_by_name(branch: nn.Module) -> bool:
    """Whether a branch calls its images `pixel_values`, as networks of transformers do."""
    return IMAGE in signature(branch.forward).parameters


def parts_of(output: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in an output, with the way to it: tensors and other values, and the types of what holds them."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(output, Mapping):
        items = output.items()
    elif isinstance(output, list | tuple):
        items = enumerate(output)
    elif is_dataclass(output):
        items = vars(output).items()
    else:
        yield path, output
        return
    yield path, type(output)
    for key, item in items:
        yield from parts_of(item, f"{path}[{key!r}]")


def leaves_of(output: Any) -> set[int]:
    """The identities of all tensors that an output depends on and that were made by no operation."""
    tensors = [part for _, part in parts_of(output) if isinstance(part, Tensor)]
    waiting = [tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None]
    seen, leaves = set(waiting), set()
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        new = {following for following, _ in node.next_functions if following is not None} - seen
        seen |= new
        waiting += new
    return leaves


@contextmanager
def undisturbed(branch: nn.Module, quick: bool = False) -> Iterator[None]:
    """A context with a branch in evaluation, after which every module has the attributes that it had before.

    Some networks keep what they computed for one size of images, and must not keep fake tensors. If `quick`, batch
    norms pass their inputs on, which changes no shape: on fake tensors they take most of the time.
    """
    before = [(module, dict(vars(module)), dict(module._buffers)) for module in branch.modules()]
    try:
        with in_mode(branch, False):
            for module in branch.modules() if quick else ():
                if type(module) is nn.BatchNorm2d:
                    vars(module)["forward"] = _same
            yield
    finally:
        for module, attributes, buffers in before:
            vars(module).clear()
            vars(module).update(attributes)
            module._buffers.clear()
            module._buffers.update(buffers)


def _same(x: Tensor) -> Tensor:
    return x


def _where(branch: nn.Module, error: BaseException) -> str:
    """The innermost module of the branch in which an error was raised."""
    names = {module: name for name, module in branch.named_modules()}
    inside, trace = "", error.__traceback__
    while trace is not None:
        inside = names.get(_owner(trace.tb_frame.f_locals.get("self")), "") or inside
        trace = trace.tb_next
    return f"'{inside}'" if inside else "its own forward"


def _owner(value: object) -> Any:
    return value if isinstance(value, nn.Module) else None
