"""The frozen trunk that all tasks share: its features for images can be kept, and given to the other layers later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from afanet.errors import InputError
from afanet.networks.frozen import frozen_end, layers_up_to
from afanet.networks.record import EnoughError

if TYPE_CHECKING:
    from afanet.networks.backbones import Backbone
    from afanet.networks.woven import Woven

PLAIN = (Tensor, int, float, str, torch.Size, type(None))  # what a kept layer's output may contain


class Trunk:
    """The first, frozen layers that all tasks share: their outputs depend only on the image.

    Args:
        layers: their paths in the network, in the order in which they run.
        kept: the layers among these whose outputs the rest of the network takes, including the last of `layers`.
        own: names of the frozen parameters outside these layers on which their outputs depend.

    Attributes:
        always: layers that always compute, because the size of a map inside them is read.

    >>> from afanet import Pooled, create_network
    >>> outputs = {"scene": Pooled(5), "room": Pooled(2)}
    >>> network = create_network("hard", outputs, "resnet18", size=(64, 96), freeze="backbone").eval()
    >>> images = torch.rand(2, 3, 64, 96)
    >>> features = network.trunk.features(network, images)
    >>> {name: tuple(x.shape) for name, x in features.items()}
    {'0.0': (2, 64, 16, 24), '0.1': (2, 512, 2, 3)}
    >>> with network.trunk.given(network, features):
    ...     scene = network(torch.zeros_like(images))["scene"]
    >>> torch.allclose(scene, network(images)["scene"], atol=1e-5)
    True
    """

    def __init__(self, layers: Sequence[str], kept: Sequence[str], own: Sequence[str] = ()) -> None:
        self.layers = tuple(layers)
        self.kept = tuple(kept)
        self.own = frozenset(own)
        self.always: tuple[str, ...] = ()
        # The outputs of the layers that ran before the trunk's end, with a shape in place of each tensor.
        self._ran: dict[str, Any] = {}

    def features(self, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
        """The trunk's features for images (B, 3, H, W): tensors (B, ...), by the number of the kept layer.

        Nothing after the trunk is computed, and the network keeps its mode. Raises `InputError` for a layer whose
        output cannot be split by image.
        """
        outputs: dict[str, Any] = {}

        def keep(layer: str, module: nn.Module, inputs: Any, output: Any) -> None:
            outputs[layer] = output
            if layer == self.layers[-1]:
                raise EnoughError

        with ExitStack() as hooks:
            for layer in self.layers:
                hooks.callback(network.get_submodule(layer).register_forward_hook(partial(keep, layer)).remove)
            hooks.enter_context(suppress(EnoughError))
            with torch.no_grad():
                network.forward(images)
        self._ran = {layer: tree_map(partial(_Shape.of, len(images)), output) for layer, output in outputs.items()}
        return {
            name: tensor
            for number, layer in enumerate(self.kept)
            for name, tensor in _by_image(layer, number, outputs[layer], len(images)).items()
        }

    @contextmanager
    def given(self, network: nn.Module, features: Mapping[str, Tensor]) -> Iterator[None]:
        """A context in which the trunk computes nothing and the other layers get `features`, whatever the images show.

        `features` come from the method `features`, which must have run before, in any precision. The images decide
        only the size of the outputs.
        """
        answers = {layer: self._answer(layer, features) for layer in self._ran if layer not in self.always}
        with _in_place_of_forward(network, answers):
            yield

    def state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a network, by name, that decide the trunk's features."""
        return {
            name: tensor
            for name, tensor in tensors.items()
            if name in self.own or any(name.startswith(f"{layer}.") for layer in self.layers)
        }

    def let_compute(self, layers: Iterable[str]) -> bool:
        """Make the trunk's layers that contain these always compute; returns False if one of them is a kept layer."""
        self.always = tuple(own for own in self.layers if any(f"{layer}.".startswith(f"{own}.") for layer in layers))
        return not set(self.always) & set(self.kept)

    def _answer(self, layer: str, features: Mapping[str, Tensor]) -> Callable[..., Any]:
        """A layer's output: its features if it is kept, else zeros, on which no result depends."""
        like = next(iter(features.values()))
        zero = like.new_zeros((), dtype=torch.float32)
        names = _names(self.kept.index(layer), self._ran[layer]) if layer in self.kept else []
        given = (features[name] for name in names)

        def tensor(x: Any) -> Any:
            if not isinstance(x, _Shape):
                return x
            shape = x.with_images(len(like))
            return _full(next(given), shape) if names else zero.expand(shape)

        answer = tree_map(tensor, self._ran[layer])
        return lambda *inputs, **options: answer


@contextmanager
def _in_place_of_forward(network: nn.Module, answers: Mapping[str, Callable[..., Any]]) -> Iterator[None]:
    """A context in which layers call these functions; raises `RuntimeError` if a forward is replaced already."""
    modules = {layer: network.get_submodule(layer) for layer in answers}
    for layer, module in modules.items():
        if "forward" in vars(module):
            raise RuntimeError(f"the forward of layer '{layer}' is replaced already, so no features can be given to it")
    try:
        for layer, module in modules.items():
            vars(module)["forward"] = answers[layer]
        yield
    finally:
        for module in modules.values():
            vars(module).pop("forward", None)


def find_trunk(network: Woven, body: Backbone, stages: int, meet: Sequence[str]) -> Trunk | None:
    """The trunk of a network whose backbones have `stages` frozen stages; None if there is none.

    There is no trunk if the network reads the size of a map inside it that would have to be kept.
    """
    end = frozen_end(body, stages, meet)
    if end is None:
        return None
    first = network.tasks[0]
    start = f"branches.{first}.backbone"
    if not end:
        return Trunk([start], [start])
    # The identity after the first stage's tap has the same output as the tap.
    end = dict(zip(body.stages, body.tapped, strict=False)).get(end, end)
    layers, own = layers_up_to(body, end)
    takes = range(len(body.tapped)) if body.takes is None else body.takes
    taken = {body.tapped[number] for number in takes}
    kept = [layer for layer in layers if layer in taken or layer == end]
    trunk = Trunk(*([f"{start}.{name}" for name in names] for names in (layers, kept, own)))
    return trunk if trunk.let_compute(network.maps(first)) else None


@dataclass(frozen=True)
class _Shape:
    """The shape of a tensor for a number of `images`; if its rows divide evenly, each image has as many of them."""

    shape: tuple[int, ...]
    images: int

    @classmethod
    def of(cls, images: int, x: Any) -> Any:
        return cls(tuple(x.shape), images) if isinstance(x, Tensor) else x

    def with_images(self, images: int) -> tuple[int, ...]:
        if not self.shape or self.shape[0] % self.images:
            return self.shape
        return self.shape[0] // self.images * images, *self.shape[1:]


def _names(number: int, output: Any) -> list[str]:
    """The names of a kept layer's features, one for each tensor in its output."""
    count = sum(isinstance(x, Tensor | _Shape) for x in tree_leaves(output))
    return [str(number)] if isinstance(output, Tensor | _Shape) else [f"{number}.{i}" for i in range(count)]


def _by_image(layer: str, number: int, output: Any, images: int) -> dict[str, Tensor]:
    leaves = tree_leaves(output)
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    if any(not x.dim() or x.shape[0] % images for x in tensors) or not all(isinstance(x, PLAIN) for x in leaves):
        raise InputError(
            f"layer '{layer}' outputs a {type(output).__name__}, of which no features can be kept: freeze the whole "
            "backbone"
        )
    rows = [x if len(x) == images else x.reshape(images, -1, *x.shape[1:]) for x in tensors]
    return dict(zip(_names(number, output), rows, strict=True))


def _full(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    x = x.float().reshape(shape)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
