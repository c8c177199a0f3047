"""How a recipe's network normalises images: as the recipe says, otherwise as its backbone's weights were trained."""

from __future__ import annotations

from afanet.errors import InputError
from afanet.networks.preprocessing import normalisation_of_weights
from afanet.networks.weights.spelling import WORDS
from afanet.normalisation import Normalisation
from afanet.recipe.network import NetworkRecipe
from afanet.recipe.schema import Recipe


def normalisation(network: NetworkRecipe) -> Normalisation:
    """The mean and the standard deviation of each channel of the network's images.

    Values that the recipe does not give are those of its weights or, if the weights do not say, timm's for the
    backbone: unchanged for RGB, averaged for grey. Raises `InputError` if they are needed for any other number of
    channels, and for weights that cannot be read.

    >>> from afanet.recipe.load import load_recipe
    >>> normalisation(load_recipe("rooms", {"network.backbone": "tf_efficientnet_lite0"}).network).mean
    (0.5, 0.5, 0.5)
    """
    return _of(network)[0]


def said_of_images(network: NetworkRecipe) -> str:
    """A line on how images are normalised and who says so, for weights from elsewhere; empty if the recipe says so.

    Raises `InputError` as `normalisation` does.
    """
    if network.weights in WORDS:
        return ""
    taken, author = _of(network)
    return f"images: normalised with mean {list(taken.mean)} and std {list(taken.std)}, as {author}" if author else ""


def _of(network: NetworkRecipe) -> tuple[Normalisation, str]:
    if network.mean is not None and network.std is not None:
        return Normalisation(network.mean, network.std), ""
    own, author = normalisation_of_weights(network.backbone, network.weights)
    if network.in_chans == 1:
        own = own.of_grey()
    elif network.in_chans != own.channels:
        missing = "network.mean" if network.mean is None else "network.std"
        raise InputError(
            f"{missing} is not given, and network.in_chans is {network.in_chans}: the backbone states it for 1 "
            f"and 3 channels only, so give {network.in_chans} values"
        )
    return Normalisation(network.mean or own.mean, network.std or own.std), author


def with_normalisation_of_backbone(recipe: Recipe) -> Recipe:
    """The recipe with `network.mean` and `network.std` spelt out, as a run keeps it; raises as `normalisation` does."""
    kept = normalisation(recipe.network)
    network = recipe.network.model_copy(update={"mean": kept.mean, "std": kept.std})
    return recipe.model_copy(update={"network": network})
