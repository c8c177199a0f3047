"""Traces one branch into a graph: only the modules around the layers that matter are opened, others stay one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from afanet.errors import InputError, raised_at
from afanet.names import layer_fault
from afanet.networks.layout import Layout
from afanet.networks.undisturbed import undisturbed

IMAGE = "pixel_values"  # the name of the argument for images in networks of transformers


class UntraceableError(InputError):
    """A branch cannot be traced, or its graph shows too little, although the branch itself may run."""


class Trace:
    """The graph of one branch, and the values of its nodes for an example image.

    Only the ancestors of `layers` are opened; every other layer stays one call. Values are computed on demand, on fake
    tensors (shapes and types without data or arithmetic), and in evaluation mode, where no layer counts batches. The
    branch is traced in its current mode.

    Args:
        task: the branch's name, for messages.
        branch: the network, called with one image batch.
        layers: names of the layers whose outputs matter.
        example: a tensor with the shape, type and device of the images.

    Raises:
        InputError: if the branch cannot be traced, calls one of the layers twice or never, or has a layer whose name
            cannot be written in code.
    """

    def __init__(self, task: str, branch: nn.Module, layers: Sequence[str], example: Tensor) -> None:
        self.task = task
        self.branch = branch
        self.example = example
        self._fake = FakeTensorMode(allow_non_fake_inputs=True)
        self._values: dict[int, dict[fx.Node, Any]] = {}
        self._tracer = _Tracer(layers, self.value)
        try:
            self._tracer.trace(branch)
        except InputError:
            raise
        except Exception as error:
            layer = f"layer '{self._tracer.inside}'" if self._tracer.inside else "its own forward"
            line = raised_at(error)
            where = f"{layer}, {line}" if line else layer
            raise UntraceableError(
                f"branch '{task}' cannot be traced in {where} ({first_line(error)}): the Python there depends on the "
                "image's values; meet at a layer that encloses it, or move that code into a submodule of its own"
            ) from error
        self._require_words()
        self.constants = self._own_constants()
        self.calls = {layer: self._the_call(layer) for layer in layers}

    @property
    def nodes(self) -> list[fx.Node]:
        """The graph's nodes in the order in which they run, the image first, the output last."""
        return list(self._tracer.graph.nodes)

    def output(self, layer: str, scale: int = 1) -> Any:
        """A layer's output for an image `scale` times as large as the example."""
        return self.value(self.calls[layer], scale)

    def position(self, layer: str) -> int:
        """When a layer runs, counted in nodes."""
        return self.nodes.index(self.calls[layer])

    def shapes_before(self, layer: str, scale: int = 1) -> list[tuple[str, Sequence[int]]]:
        """The layers that the graph calls before this one, in order, with the shapes of their outputs."""
        nodes = [node for node in self.nodes[: self.position(layer)] if node.op == "call_module"]
        values = [(str(node.target), self.value(node, scale)) for node in nodes]
        return [(name, tuple(value.shape) if isinstance(value, Tensor) else ()) for name, value in values]

    def sizes_given(self, layer: str, scale: int = 1) -> list[tuple[int, int]]:
        """Every (H, W) that a layer gets as numbers."""
        return []  # in a graph the numbers may be calls

    def sizes_with(self, value: Tensor) -> list[tuple[int, int]]:
        """Every (H, W) that some layer gets together with this tensor."""
        return []

    def is_map(self, value: Tensor) -> bool:
        """Whether a tensor must be (B, C, H, W), because of a layer that makes or takes it."""
        return False  # a graph does not see into its layers

    def layout_by_places(self, layer: str, key: Any) -> Layout | None:
        """The layout of a tensor in a layer's output, if its values can be followed from a map before the layer."""
        return None

    def value(self, node: fx.Node, scale: int = 1) -> Any:
        """The node's value for an image `scale` times as large as the example: fake tensors in any structure."""
        values = self._values.setdefault(scale, {})
        if node not in values:
            batch, channels, height, width = self.example.shape
            with undisturbed(self.branch, quick=True), self._fake, torch.no_grad(), self._tracer.paused():
                image = self.example.new_empty(batch, channels, scale * height, scale * width)
                for earlier in self.nodes[: self.nodes.index(node) + 1]:
                    if earlier not in values:
                        is_image = earlier.op == "placeholder"
                        values[earlier] = image if is_image else self._compute(earlier, values, image)
        return values[node]

    def _compute(self, node: fx.Node, values: dict[fx.Node, Any], image: Tensor) -> Any:
        args, kwargs = _filled(list(node.args), values), _filled(dict(node.kwargs), values)
        try:
            if node.op == "call_module":
                return self.branch.get_submodule(str(node.target))(*args, **kwargs)
            if node.op == "call_method":
                return getattr(args[0], str(node.target))(*args[1:], **kwargs)
            if node.op == "get_attr":
                return attribute(self.branch, str(node.target))
            assert callable(node.target)
            return node.target(*args, **kwargs)
        except Exception as error:
            size = "x".join(map(str, image.shape[1:]))
            raise UntraceableError(  # the branch's own forward may still succeed
                f"branch '{self.task}' fails in '{node.target}' on images of {size} ({first_line(error)}): "
                "pass images that it takes, or their shape, as `example`"
            ) from error

    def _require_words(self) -> None:
        for node in self.nodes:
            if node.op in ("call_module", "get_attr") and (fault := layer_fault(str(node.target))):
                raise InputError(f"layer {str(node.target)!r:.120} of branch '{self.task}' {fault}: rename it")

    def _own_constants(self) -> set[fx.Node]:
        # tensors that an opened layer makes in each forward become buffers, so that they move with the branch
        constants = set()
        for node in self.nodes:
            name = str(node.target)
            if node.op == "get_attr" and name.startswith("_tensor_constant"):
                constants.add(node)
                if name in vars(self.branch):
                    self.branch.register_buffer(name, vars(self.branch).pop(name), persistent=False)
        return constants

    def _the_call(self, layer: str) -> fx.Node:
        calls = [node for node in self.nodes if node.op == "call_module" and node.target == layer]
        require_one_call(self.task, layer, len(calls))
        return calls[0]


def require_one_call(task: str, layer: str, times: int) -> None:
    """Raise `InputError` for a layer that its branch calls never or more than once."""
    if times != 1:
        fault = f"calls layer '{layer}' {times} times" if times else f"never calls layer '{layer}' in its forward"
        raise InputError(
            f"branch '{task}' {fault}, and branches can only meet at a layer that is called once: "
            "name a layer around it, or put an nn.Identity where they should meet"
        )


class _Tracer(fx.Tracer):
    """Opens only the modules that contain the layers, and remembers in which of them it is."""

    def __init__(self, layers: Iterable[str], value: Callable[[fx.Node], Any]) -> None:
        super().__init__()
        paths = [layer.split(".") for layer in layers]
        self.opened = {".".join(path[:depth]) for path in paths for depth in range(len(path))}
        self.value = value
        self.inside = ""
        self._recording = True

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let modules run untraced: when a list is unpacked during tracing, its value must be computed."""
        before, self._recording = self._recording, False
        try:
            yield
        finally:
            self._recording = before

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        # a branch takes one image; its other arguments keep their defaults, as plain constants
        image = self.create_proxy("placeholder", "image", (), {})
        if takes_by_name(self.root):
            return lambda root, image: root_fn(root, **{IMAGE: image}), [self.root, image]
        return root_fn, [self.root, image]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name not in self.opened

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self._recording:
            return forward(*args, **kwargs)
        outer, self.inside = self.inside, self.path_of_module(m)
        result = super().call_module(m, forward, args, kwargs)
        self.inside = outer
        return result

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return super().getattr(attr, attr_val, parameter_proxy_cache) if self._recording else attr_val

    def iter(self, obj: Any) -> Iterator[Any]:
        # lists of features, as in HRNet: their length follows from the example
        value = self.value(obj.node)
        if isinstance(value, Tensor) or not isinstance(value, Sequence):
            return super().iter(obj)
        return iter([obj[i] for i in range(len(value))])


def call(branch: nn.Module, image: Tensor) -> Any:
    """A branch's own output; the image is passed as `pixel_values` if the branch has this argument."""
    return branch(**{IMAGE: image}) if takes_by_name(branch) else branch(image)


def takes_by_name(branch: nn.Module) -> bool:
    """Whether a branch calls its images `pixel_values`, as networks of transformers do."""
    return IMAGE in signature(branch.forward).parameters


def attribute(module: nn.Module, path: str) -> Any:
    """The submodule, parameter or buffer at a dotted path."""
    *parents, name = path.split(".")
    return getattr(module.get_submodule(".".join(parents)), name)


def _filled(argument: Any, values: dict[fx.Node, Any]) -> Any:
    """An argument with values in place of nodes; lists are copied, since a layer may write into its arguments."""
    if isinstance(argument, fx.Node):
        return values[argument]
    if isinstance(argument, list | tuple):
        filled = [_filled(item, values) for item in argument]
        return tuple(filled) if isinstance(argument, tuple) else filled
    if isinstance(argument, dict):
        return {key: _filled(item, values) for key, item in argument.items()}
    if isinstance(argument, slice):
        return slice(*(_filled(item, values) for item in (argument.start, argument.stop, argument.step)))
    return argument


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
