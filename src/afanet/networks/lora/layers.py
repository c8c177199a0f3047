"""The layers of a backbone that get adapters, found in one pass without data and not by their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from afanet.errors import InputError
from afanet.networks.undisturbed import undisturbed

WEIGHINGS = {"scaled_dot_product_attention", "softmax"}
PRODUCTS = {"matmul", "__matmul__", "bmm", "baddbmm", "einsum"}  # an attention if neither factor is a parameter


@dataclass(frozen=True)
class Adaptable:
    """The names of layers that can have adapters: those that are `called`, and those whose weight is only `read`."""

    called: list[str]
    read: list[str]

    @property
    def all(self) -> list[str]:
        """The names of both kinds."""
        return [*self.called, *self.read]


def adaptable(backbone: nn.Module, name: str, where: str, shape: Sequence[int]) -> Adaptable:
    """The linear layers and 1x1 convolutions that a backbone uses, or with `where` "attention" those in attentions.

    An attention is the innermost module that computes a softmax, `scaled_dot_product_attention`, or a product of two
    values of which neither is a parameter. Only layers that see the image count: those of a position bias do not.
    Grouped convolutions are left out, and layers whose forward is not that of `nn.Linear` or `nn.Conv2d`, such as those
    with standardised weights.

    Args:
        backbone: the frozen backbone, called with one image batch.
        name: the backbone's name, for messages.
        where: "attention" or "all".
        shape: the shape of an image batch.

    Raises:
        InputError: if there is no such layer, and for a backbone that does not take images of this shape.
    """
    try:
        watch = _watched(backbone, shape)
    except Exception as error:  # a network may raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"backbone '{name}' fails on images of {shape[-2]}x{shape[-1]} ({reason}): expected a size that it takes"
        ) from error
    layers = {path: module for path, module in backbone.named_modules() if _is_plain(module)}
    called = [path for path, module in layers.items() if module in watch.called]
    read = [
        path
        for path, module in layers.items()
        if module not in watch.called and isinstance(module, nn.Linear) and id(module.weight) in watch.parameters
    ]
    if not called and not read:
        raise InputError(
            f"backbone '{name}' has no linear layer and no 1x1 convolution with plain weights, so LoRA has nothing to "
            "adapt: choose another backbone, or leave network.lora out"
        )
    if where == "attention":
        inside = {id(part) for owner in _attentions(watch, layers) for part in owner.modules()}
        called = [path for path in called if id(layers[path]) in inside and layers[path] in watch.seeing]
        read = [path for path in read if id(layers[path]) in inside]
        if not called and not read:
            raise InputError(
                f"backbone '{name}' has no attention with linear layers, so LoRA has no projections to adapt there: "
                "expected network.lora.where all, or a backbone with attention"
            )
    return Adaptable(called, read)


def _is_plain(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return type(module) in (nn.Conv2d, Conv2dSame) and module.kernel_size == (1, 1) and module.groups == 1
    return type(module) is nn.Linear


class _Watch(TorchFunctionMode):
    """Watches a pass: the modules that are called, the parameters that are used, and where attention is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[nn.Module] = set()
        self.seeing: set[nn.Module] = set()  # modules with an argument that depends on the image
        self.parameters: set[int] = set()
        self.inside: list[nn.Module] = []
        self.weighings: list[tuple[nn.Module, ...]] = []  # for each, the modules around it, the outermost first

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = list(_tensors((args, kwargs or {})))
        parameters = [tensor for tensor in given if isinstance(tensor, nn.Parameter)]
        self.parameters |= {id(parameter) for parameter in parameters}
        name = getattr(func, "__name__", "")
        if name in WEIGHINGS or (name in PRODUCTS and not parameters):
            self.weighings.append(tuple(self.inside))
        return func(*args, **(kwargs or {}))

    def enter(self, module: nn.Module, given: Any) -> None:
        """A hook that runs before a module."""
        self.called.add(module)
        if any(tensor.requires_grad for tensor in _tensors(given)):
            self.seeing.add(module)
        self.inside.append(module)

    def leave(self, module: nn.Module, given: Any, made: Any) -> None:
        """A hook that runs after a module."""
        self.inside.pop()


def _watched(backbone: nn.Module, shape: Sequence[int]) -> _Watch:
    """One pass with images of this shape, on fake tensors and in evaluation mode: nothing is computed or counted."""
    watch = _Watch()
    hooks = []
    for module in backbone.modules():
        hooks += [module.register_forward_pre_hook(watch.enter), module.register_forward_hook(watch.leave)]
    like = next(backbone.parameters())
    try:
        with undisturbed(backbone), FakeTensorMode(allow_non_fake_inputs=True), torch.enable_grad():
            image = like.new_empty(tuple(shape)).requires_grad_().clone()  # not a leaf: it may be overwritten
            with watch:
                backbone(image)
    finally:
        for hook in hooks:
            hook.remove()
    return watch


def _attentions(watch: _Watch, layers: dict[str, nn.Module]) -> Iterator[nn.Module]:
    """The modules that compute attention: for each weighing, the innermost module around it with layers to adapt."""
    candidates = set(layers.values())
    for outer, *around in watch.weighings:
        owner = next((module for module in reversed(around) if not candidates.isdisjoint(module.modules())), outer)
        if owner is not outer:  # `outer` is the whole backbone: then every layer would count as attention
            yield owner


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)
