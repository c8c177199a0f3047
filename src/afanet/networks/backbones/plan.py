"""Plans how a backbone is built and run, once for each name, size and set of options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from timm.models._features import FeatureListNet
from torch import Tensor

from afanet.errors import InputError
from afanet.networks.backbones.padding import one_size_only
from afanet.networks.backbones.sizes import Fit, Size, Wish, fit, padded, size_options
from afanet.networks.backbones.timm_network import REFUSALS, build_stages, config_of
from afanet.networks.backbones.whole import Whole, plan_whole
from afanet.networks.undisturbed import pass_on_norms


@dataclass(frozen=True)
class Plan:
    """How a backbone is built and run.

    Attributes:
        options: timm's options for building the network.
        fit: the sizes of images that it takes.
        whole: how it runs as a whole; None if it is a chain of stages.
        notes: one line for each requested option that it cannot have.
    """

    options: dict[str, Any]
    fit: Fit
    whole: Whole | None
    notes: tuple[str, ...]


@lru_cache(maxsize=64)
def plan_backbone(wish: Wish) -> Plan:
    """The plan for a backbone.

    Raises:
        InputError: for a network without stages or blocks, images that it cannot take, or taps that it does not have.
    """
    config = config_of(wish.name)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        chain = _plan_chain(wish, config) if wish.taps is None else None
        if chain is not None:
            options, sizes, stride, whole = *chain, None
        else:
            options, sizes, whole = plan_whole(wish, config)
            stride = whole.given[-1].stride
    one_size = sizes.one_size
    if one_size and (one_size[0] < wish.size[0] or one_size[1] < wish.size[1]):
        raise one_size_only(wish.name, one_size, wish.size)
    if whole and whole.plain and stride > min(wish.size):
        raise InputError(
            f"backbone '{wish.name}' has patches of {stride} pixels, larger than images of "
            f"{wish.size[0]}x{wish.size[1]}: use larger images, or a backbone with smaller patches"
        )
    return Plan(options, sizes, whole, _notes(wish, one_size, stride))


def _notes(wish: Wish, one_size: Size | None, stride: int) -> tuple[str, ...]:
    notes = []
    if stride > wish.output_stride:
        notes.append(
            f"{wish.name}: an output stride of {wish.output_stride} is not possible, the last features have a stride "
            f"of {stride}"
        )
    if one_size and one_size != wish.size:
        notes.append(
            f"{wish.name}: images of {wish.size[0]}x{wish.size[1]} are padded to {one_size[0]}x{one_size[1]}, the one "
            "size that it takes"
        )
    return tuple(notes)


def _plan_chain(wish: Wish, config: Any) -> tuple[dict[str, Any], Fit, int] | None:
    """Options, sizes and last stride of a chain of stages; None if timm gives no chain, or none that runs."""
    for stride in dict.fromkeys((wish.output_stride, 32)):
        strided = wish.channels | ({} if stride == 32 else {"output_stride": stride})
        for sized in size_options(wish, config, (wish.size, padded(wish.size, 32))):
            options = strided | sized
            try:
                network = build_stages(wish.name, **options)
            except REFUSALS:
                continue
            if not isinstance(network, FeatureListNet):
                return None
            reductions = network.feature_info.reduction()
            if stride < min(32, reductions[-1]):  # some networks accept the option and ignore it
                break
            only = options.get("img_size") or (tuple(config.input_size[1:]) if config else wish.size)
            pass_on_norms(network.eval())
            if sizes := fit(_features(network), wish, reductions, only):
                return options, sizes, reductions[-1]
    return None


def _features(network: FeatureListNet) -> Any:
    def features(image: Tensor) -> Sequence[Tensor]:
        x, maps = image, []
        for layer, module in network.items():
            x = module(x)
            if layer in network.return_layers:
                maps.append(x)  # in some networks lists, which only run as a whole
        return [x.permute(0, 3, 1, 2) for x in maps] if network.output_fmt.value == "NHWC" else maps

    return features
