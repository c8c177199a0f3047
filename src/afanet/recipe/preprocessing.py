"""How a recipe's network takes images: as the recipe says, else as the weights of its backbone were trained."""

from __future__ import annotations

from afanet.errors import InputError
from afanet.networks.preprocessing import normalisation_of_weights
from afanet.networks.weights.spelling import WORDS
from afanet.normalisation import Normalisation
from afanet.recipe.network import NetworkRecipe
from afanet.recipe.schema import Recipe


def normalisation(network: NetworkRecipe) -> Normalisation:
    """The mean and the standard deviation of each channel of the network's images.

    Those that the recipe does not give are of its weights, or of timm's for the backbone where the weights do not say
    them: as they are for RGB, their averages for grey. Raises `InputError` for other channels without them, and for
    weights that cannot be read.

    >>> from afanet.recipe.load import load_recipe
    >>> normalisation(load_recipe("rooms", {"network.backbone": "tf_efficientnet_lite0"}).network).mean
    (0.5, 0.5, 0.5)
    """
    return _of(network)[0]


def said_of_images(network: NetworkRecipe) -> str:
    """A line on how images are normalised and who says so, for weights from elsewhere; empty where the recipe says it.

    Raises `InputError` as `normalisation` does.
    """
    if network.weights in WORDS:
        return ""
    taken, author = _of(network)
    return f"images: less {list(taken.mean)} and divided by {list(taken.std)}, as {author}" if author else ""


def _of(network: NetworkRecipe) -> tuple[Normalisation, str]:
    if network.mean is not None and network.std is not None:
        return Normalisation(network.mean, network.std), ""
    own, author = normalisation_of_weights(network.backbone, network.weights)
    if network.in_chans == 1:
        own = own.of_grey()
    elif network.in_chans != own.channels:
        missing = "network.mean" if network.mean is None else "network.std"
        raise InputError(
            f"{missing} is not given, and network.in_chans is {network.in_chans}: only for 1 or 3 channels is it known "
            f"from the backbone, so give {network.in_chans} values"
        )
    return Normalisation(network.mean or own.mean, network.std or own.std), author


def with_normalisation_of_backbone(recipe: Recipe) -> Recipe:
    """The recipe with `network.mean` and `network.std` spelt out, as a run keeps it; raises as `normalisation` does."""
    kept = normalisation(recipe.network)
    network = recipe.network.model_copy(update={"mean": kept.mean, "std": kept.std})
    return recipe.model_copy(update={"network": network})
