"""A record of a branch running by itself: its layers' outputs, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError, raised_at
from afanet.networks.contents import keys_of, leaves_of, pick, replaced, sizes_in
from afanet.networks.following import STARTS, Following, layout_by_places, start
from afanet.networks.layout import Layout
from afanet.networks.trace import call, first_line, require_one_call
from afanet.networks.undisturbed import undisturbed

# layers that take only (B, C, H, W), and layers that also make it, with their own number of channels
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
MAPPING = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, LayerNorm2d)


@dataclass
class Run:
    """One forward pass: the branch's result, the outputs of the named layers, and the shapes of all layers' outputs."""

    result: Any = None
    outputs: dict[str, list[Any]] = field(default_factory=dict)
    shapes: list[tuple[str, Any]] = field(default_factory=list)  # by layer, in order; () if the output is not a tensor
    given: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # each (H, W) that a named layer gets
    told: list[tuple[Tensor, list[tuple[int, int]]]] = field(default_factory=list)  # tensors and sizes for one layer
    maps: list[Tensor] = field(default_factory=list)  # tensors that `POOLS` or `MAPPING` take or make: (B, C, H, W)


class Record:
    """The outputs of a branch's layers for an example image, and the order in which the layers run.

    The branch runs in evaluation mode on fake tensors: shapes and types without arithmetic. If its Python depends on
    values, which fake tensors do not have, it computes for a grey image instead. Afterwards the branch is as before.

    Args:
        task: the branch's name, for messages.
        branch: the network, called with one image batch.
        layers: names of the layers whose outputs matter.
        example: a tensor with the shape, type and device of the images.
        fake: the mode in which the branch runs; several records may share one.

    Raises:
        InputError: if the branch fails on such images, or calls one of the layers twice or never.
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
        """The forward pass for an image `scale` times as large as the example; with a scale above 1 it ends early."""
        if scale not in self._runs:
            self._runs[scale] = self._run(scale)
        return self._runs[scale]

    def output(self, layer: str, scale: int = 1) -> Any:
        """A layer's output for an image `scale` times as large as the example."""
        outputs = self.run(scale).outputs.get(layer, [])
        require_one_call(self.task, layer, len(outputs))
        return outputs[0]

    def position(self, layer: str) -> int:
        """When a layer ends, counted in calls."""
        return [name for name, _ in self.run().shapes].index(layer)

    def shapes_before(self, layer: str, scale: int = 1) -> list[tuple[str, Sequence[int]]]:
        """The layers that end before this one, in order, with the shapes of their outputs."""
        shapes = self.run(scale).shapes
        return shapes[: [name for name, _ in shapes].index(layer)]

    def sizes_given(self, layer: str, scale: int = 1) -> list[tuple[int, int]]:
        """Every (H, W) that a layer gets as numbers."""
        return self.run(scale).given[layer]

    def sizes_with(self, value: Tensor) -> list[tuple[int, int]]:
        """Every (H, W) that some layer gets together with this tensor."""
        return [size for known, sizes in self.run().told for size in sizes if value is known]

    def is_map(self, value: Tensor) -> bool:
        """Whether a tensor must be (B, C, H, W), because of a layer that makes or takes it."""
        return any(value is known for known in self.run().maps)

    def layout_by_places(self, layer: str, key: Any) -> Layout | None:
        """The layout of a tensor in a layer's output, if its values can be followed from a map before the layer."""
        return self._followed.get((layer, key))

    @cached_property
    def _followed(self) -> dict[tuple[str, Any], Layout | None]:
        """The layouts of all tensors in the layers' outputs, by layer and key; none for a branch that needs values."""
        if self.fake is None:
            return {}
        layouts: dict[tuple[str, Any], Layout | None] = {}

        def begin(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4 and len(output) == len(self.example):
                start(output)

        def end(name: str, module: nn.Module, args: Any, output: Any) -> None:
            for key in keys_of(output) or [None]:
                if isinstance(x := pick(output, key), Tensor):
                    layouts[name, key] = layout_by_places(x)
            if {name for name, _ in layouts} == set(self.layers):
                raise EnoughError

        maps = [module for module in self.branch.modules() if isinstance(module, STARTS)]
        hooks = [module.register_forward_hook(begin) for module in maps]
        hooks += [self.branch.get_submodule(name).register_forward_hook(partial(end, name)) for name in self.layers]
        try:
            following = Following()  # type: ignore[no-untyped-call]
            with undisturbed(self.branch, quick=True), self.fake, following, torch.no_grad():
                call(self.branch, grey(self.example))
        except Exception:  # either all layers have run, or those that did not are recognised by other evidence
            pass
        finally:
            for hook in hooks:
                hook.remove()
        return layouts

    def used(self, layer: str) -> set[Any]:
        """The keys of the tensors in a layer's output on which the branch's result depends; none for a plain tensor."""
        keys = keys_of(self.output(layer))
        if not keys:
            return set()
        marks: dict[Any, Tensor] = {}

        def mark(module: nn.Module, args: Any, output: Any) -> Any:
            floats = {key for key in keys if isinstance(output[key], Tensor) and output[key].is_floating_point()}
            marks.update({key: torch.zeros_like(output[key], requires_grad=True) for key in floats})
            return replaced(output, {key: output[key] + marks[key] for key in floats})

        hook = self.branch.get_submodule(layer).register_forward_hook(mark, prepend=True)
        try:
            with undisturbed(self.branch, quick=True), self.fake or nullcontext(), torch.enable_grad():
                reached = leaves_of(call(self.branch, grey(self.example)))
        finally:
            hook.remove()
        return {key for key, leaf in marks.items() if id(leaf) in reached}

    def _run(self, scale: int) -> Run:
        run = Run()
        note = partial(self._note, run, scale)
        layers = self.branch.named_modules()
        hooks = [layer.register_forward_hook(partial(note, name), with_kwargs=True) for name, layer in layers]
        quick = scale > 1 or self.fake is not None
        try:
            with undisturbed(self.branch, quick=quick), self.fake or nullcontext(), torch.no_grad():
                run.result = call(self.branch, grey(self.example, scale))
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

    def _note(
        self, run: Run, scale: int, name: str, module: nn.Module, args: Any, keywords: Mapping[str, Any], output: Any
    ) -> None:
        if isinstance(module, (*POOLS, *MAPPING)) and scale == 1:
            known = (*args, output) if isinstance(module, MAPPING) else args
            run.maps += [x for x in known if isinstance(x, Tensor) and x.dim() == 4]
        sizes = sizes_in([*args, *keywords.values()])
        run.told += [(x, sizes) for x in (*args, *keywords.values()) if sizes and isinstance(x, Tensor)]
        run.shapes.append((name, tuple(output.shape) if isinstance(output, Tensor) else ()))
        if name in self.layers:
            run.outputs.setdefault(name, []).append(output)
            run.given[name] = sizes
            if scale > 1 and len(run.outputs) == len(self.layers):
                raise EnoughError


def grey(like: Tensor, scale: int = 1) -> Tensor:
    """A grey image with the batch size and channels of `like`, `scale` times as large; fake inside a fake mode."""
    batch, channels, height, width = like.shape
    return like.new_full((batch, channels, scale * height, scale * width), 0.5)


class EnoughError(Exception):
    """Ends a pass once everything needed from it is known; it is no fault, and is always caught."""


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
