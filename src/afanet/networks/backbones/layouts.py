"""The layouts of a whole network's layers, found by following numbered values from a layer to the stage's features."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from afanet.networks.contents import keys_of, pick, replaced
from afanet.networks.layout import Layout, windows_of
from afanet.networks.undisturbed import undisturbed

Layouts = Mapping[Any, Layout]  # by item of a layer's output, see `Point`
Features = Callable[[int], Tensor]  # computes the features (B, C, H, W) of a stage, and nothing after them

NORMS = (nn.LayerNorm, nn.BatchNorm2d, nn.GroupNorm)  # they leave every value where it is


def layouts_of_stages(
    network: nn.Module, features: Features, stages: Sequence[str], blocks: Sequence[Sequence[str]]
) -> dict[str, Layouts]:
    """The layout of every stage's layer, and of those of its blocks that have one.

    A layer's output is replaced by the numbers of its values. Their positions in the stage's features show which axes
    are channels and pixels, which tokens are patches, and in which order these lie. Earlier blocks have the layout of
    their stage's last block if their output has its form; other maps are recognised by their shape.

    Args:
        network: a network on the meta device, in evaluation mode.
        features: computes the features of a stage, given its number, for an example image.
        stages: the layers that give these features.
        blocks: the blocks of each stage; the last may be the stage's layer.
    """
    layouts: dict[str, Layouts] = {}
    for number, (stage, names) in enumerate(zip(stages, blocks, strict=True)):
        outputs: dict[str, Any] = {}
        with _hooked(network, {name: partial(_keep, outputs, name) for name in {stage, *names}}):
            shape = features(number).shape
        last = names[-1]
        ran = [name for name in (*names, stage) if name in outputs]  # some run after the stage's features are taken
        for name in ran:
            if name in (stage, last):
                layouts[name] = _followed(network, partial(features, number), name, outputs[name])
        for name in ran:
            if name not in layouts:
                alike = last in outputs and _form(outputs[name]) == _form(outputs[last])
                layouts[name] = layouts[last] if alike else _by_shape(outputs[name], shape)
    return {name: known for name, known in layouts.items() if known}


def _followed(network: nn.Module, features: Callable[[], Tensor], layer: str, output: Any) -> Layouts:
    """The layout of the tensor of which a layer's features are made; empty if these are not just its values, moved.

    It is also empty if a layer outputs several maps: weaving sees which of them a branch uses.
    """
    keys = [key for key in keys_of(output) or [None] if isinstance(pick(output, key), Tensor)]
    if sum(pick(output, key).dim() == 4 for key in keys) > 1:
        return {}
    numbered, start = {}, 0
    for key in keys:
        shape = pick(output, key).shape
        numbered[key] = torch.arange(start, start + shape.numel(), dtype=torch.double, device="cpu").view(shape)
        start += shape.numel()

    def number(module: nn.Module, args: Any, output: Any) -> Any:
        return replaced(output, numbered)

    try:
        with _hooked(network, {layer: number}), _without_norms(network):
            came = features()[0].long()
        for key, numbers in numbered.items():
            first = int(numbers.flatten()[0])
            if first <= int(came.min()) and int(came.max()) < first + numbers.numel():
                layout = _layout(came - first, numbers.shape)
                return {} if layout is None else {key: layout}
    except Exception:  # later layers compute with the values, but the network is on the meta device
        pass
    return {}


def _layout(came: Tensor, shape: Sequence[int]) -> Layout | None:
    """The layout of a tensor of this shape, from the numbers `came` of its values in the features (C, H, W)."""
    channels, height, width = came.shape
    step = int(came[-1, 0, 0] - came[0, 0, 0]) // max(channels - 1, 1)
    axes = [axis for axis in range(1, len(shape)) if shape[axis] == channels and math.prod(shape[axis + 1 :]) == step]
    if not axes or not torch.equal(came, came[:1] + step * torch.arange(channels, device="cpu").view(-1, 1, 1)):
        return None
    whole, axis = step * channels, axes[0]
    tokens = (came[0] // whole * step + came[0] % whole).flatten()  # each pixel's, counted over all axes but channels
    prefix = math.prod(shape[1:]) // channels - height * width
    in_rows = torch.equal(tokens, prefix + torch.arange(height * width, device="cpu"))
    if len(shape) == 4 and in_rows and (axis, *shape[2:]) == (1, height, width):
        return Layout("BCHW")
    if len(shape) == 4 and in_rows and (axis, *shape[1:3]) == (3, height, width):
        return Layout("BHWC")
    if axis != len(shape) - 1 or (prefix and len(shape) > 3):
        return None
    grid = (height, width)
    if in_rows and len(shape) == 3:
        return Layout("BNC", prefix, grid)
    windows = windows_of(tokens - prefix)
    return None if windows is None else Layout("BNC", prefix, grid, windows=windows)


def _by_shape(output: Any, features: Sequence[int]) -> Layouts:
    """The layout of a map with the channels and pixels of the stage's features; none if the shape fits both layouts."""
    _, channels, height, width = features
    if isinstance(output, Tensor) and channels not in (height, width):
        orders = {"BCHW": (channels, height, width), "BHWC": (height, width, channels)}
        for order, shape in orders.items():
            if tuple(output.shape[1:]) == shape:
                return {None: Layout(order)}
    return {}


def _form(output: Any) -> Any:
    """What is equal in outputs with the same layout: the shapes of tensors, and their containers."""
    if isinstance(output, Tensor):
        return output.shape
    return [type(output), *(_form(output[key]) for key in keys_of(output))]


def _keep(outputs: dict[str, Any], name: str, module: nn.Module, args: Any, output: Any) -> None:
    outputs[name] = output


@contextmanager
def _hooked(network: nn.Module, hooks: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    handles = [network.get_submodule(name).register_forward_hook(hook, prepend=True) for name, hook in hooks.items()]
    try:
        with torch.no_grad():
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _without_norms(network: nn.Module) -> Iterator[None]:
    with undisturbed(network):
        for module in network.modules():
            if isinstance(module, NORMS):
                vars(module)["forward"] = _same
        yield


def _same(x: Tensor, *_: Any) -> Tensor:
    return x
