"""Networks that run as a whole with timm's `forward_intermediates`: transformers, and others that are not a chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.networks.backbones.layers import layer_named, names_between
from afanet.networks.backbones.layouts import Layouts, layouts_of_stages
from afanet.networks.backbones.sizes import Fit, Wish, example, fit, padded, size_options
from afanet.networks.backbones.timm_network import REFUSALS, build
from afanet.networks.heads.head import TAPS, Stage
from afanet.networks.undisturbed import pass_on_norms


@dataclass(frozen=True)
class Whole:
    """How a network runs as a whole.

    Attributes:
        plain: whether all its features have one stride.
        indices: the indices of the features that it gives.
        norm: whether the network's last norm follows every tap.
        given: the channels and the stride of each of these features.
        stages: the layers that give these features; empty if not every feature has such a layer.
        blocks: the blocks from each of these layers to the next.
        layouts: the layouts of these layers, by name, as far as values can be followed to the features.
    """

    plain: bool
    indices: tuple[int, ...]
    norm: bool
    given: tuple[Stage, ...]
    stages: tuple[str, ...]
    blocks: tuple[tuple[str, ...], ...]
    layouts: Mapping[str, Layouts]


def plan_whole(wish: Wish, config: Any) -> tuple[dict[str, Any], Fit, Whole]:
    """Options, sizes and taps of a network that runs as a whole.

    Raises:
        InputError: if it has no features to give, for taps that it does not have, and if it runs on no size.
    """
    info = _feature_info(wish)
    strides = [int(stage["reduction"]) for stage in info]
    plain = len(set(strides)) == 1 < len(strides)
    indices = _indices(wish, strides, plain)
    taken = [strides[i] for i in indices]
    for sized in size_options(wish, config, [padded(wish.size, max(strides))]):
        options = {"num_classes": 0} | wish.channels | sized
        only = options.get("img_size") or (tuple(config.input_size[1:]) if config else wish.size)
        for norm in (True, False) if plain else (False,):
            try:
                network = build(wish.name, **options).eval()
                kept = pruned(network, indices, norm)
                pass_on_norms(network)
                run = partial(intermediates, network, kept, norm)
            except REFUSALS:
                continue
            if sizes := fit(run, wish, taken, only):
                image = example(wish, sizes.one_size or padded(wish.size, sizes.multiple))
                given, stages, blocks = _layers(network, run, image, [str(info[i].get("module")) for i in indices])
                described = tuple(Stage(channels, stride) for channels, stride in zip(given, taken, strict=True))
                features = partial(_features_alone, network, kept, image)
                layouts = layouts_of_stages(network, features, stages, blocks)
                return options, sizes, Whole(plain, indices, norm, described, stages, blocks, layouts)
    raise InputError(
        f"backbone '{wish.name}' runs on no size near {wish.size[0]}x{wish.size[1]}: use images of the size for "
        "which it was made, or another backbone"
    )


def pruned(network: Any, indices: Sequence[int], norm: bool) -> list[int]:
    """Drop the layers after the last of these features; returns the features' indices in the rest."""
    if not hasattr(network, "prune_intermediate_layers"):
        return list(indices)
    return list(network.prune_intermediate_layers(list(indices), prune_norm=not norm))


def intermediates(network: Any, indices: Sequence[int], norm: bool, image: Tensor) -> list[Tensor]:
    """The features (B, C, H, W) at these indices."""
    features = network.forward_intermediates(
        image, indices=list(indices), norm=norm, output_fmt="NCHW", intermediates_only=True
    )
    return list(features)


def _features_alone(network: Any, indices: Sequence[int], image: Tensor, number: int) -> Tensor:
    """The features at one of these indices before any norm; nothing after them is computed."""
    options = {"output_fmt": "NCHW", "intermediates_only": True, "stop_early": True}
    features: Tensor = network.forward_intermediates(image, indices=[indices[number]], **options)[0]
    return features


def _feature_info(wish: Wish) -> list[Mapping[str, Any]]:
    """timm's description of the features of a network; raises `InputError` if the network gives none."""
    try:
        network = build(wish.name, num_classes=0, **wish.channels)
    except REFUSALS as error:
        raise InputError(
            f"backbone '{wish.name}' cannot be built ({str(error).strip() or 'refused by timm'}): use another"
        ) from error
    info = getattr(network, "feature_info", [])
    if not hasattr(network, "forward_intermediates") or not len(info):
        raise InputError(
            f"backbone '{wish.name}' has no stages or blocks that give features: use one that has, such as resnet50 or "
            "vit_small_patch16_224, or weave your own networks with afanet.weave"
        )
    return [info[i] for i in range(len(info))]


def _indices(wish: Wish, strides: Sequence[int], plain: bool) -> tuple[int, ...]:
    """The features to take: four at even depths of a plain network, else all from a stride of 4 on."""
    count = len(strides)
    if wish.taps is None:
        if plain:
            return tuple(sorted({max(count * (i + 1) // TAPS - 1, 0) for i in range(TAPS)}))
        return tuple(i for i in range(count) if strides[i] >= 4) or (count - 1,)
    if not plain:
        raise InputError(
            f"taps={list(wish.taps)}, but '{wish.name}' has stages, all of which are taken: leave taps out, or use a "
            "network of equal blocks, such as vit_small_patch16_224"
        )
    taps = list(wish.taps)
    if not taps or taps != sorted(set(taps)) or not 0 <= taps[0] <= taps[-1] < count:
        raise InputError(
            f"taps={taps}, but '{wish.name}' has {count} blocks: expected numbers from 0 to {count - 1}, each larger "
            "than the one before"
        )
    return tuple(taps)


def _layers(
    network: nn.Module, run: Callable[[Tensor], list[Tensor]], image: Tensor, modules: Sequence[str]
) -> tuple[list[int], tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The channels of all features, the layers that give them, and the blocks from one to the next.

    Layers and blocks are empty unless every feature has its own layer, which is called once.
    """
    known = dict(network.named_modules())
    modules = [layer_named(network, name) for name in modules]
    own = len(set(modules)) == len(modules) and all(name in known for name in modules)
    pairs = zip([None, *modules], modules, strict=False) if own else ()
    blocks = [names_between(network, before, name) for before, name in pairs]
    calls: Counter[str] = Counter()

    def count(name: str, *_: object) -> None:
        calls[name] += 1

    hooks = [
        known[name].register_forward_hook(partial(count, name)) for name in {*chain(*blocks)} | {*modules} & {*known}
    ]
    with torch.no_grad():
        channels = [int(x.shape[1]) for x in run(image)]
    for hook in hooks:
        hook.remove()
    if not own or any(calls[name] != 1 for name in modules):
        return channels, (), ()
    once = [
        names if all(calls[name] == 1 for name in names) else [stage]
        for names, stage in zip(blocks, modules, strict=True)
    ]
    return channels, tuple(modules), tuple(map(tuple, once))
