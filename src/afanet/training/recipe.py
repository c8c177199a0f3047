"""A recipe: everything that decides a training run, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

WEIGHTS = ("none", "pretrained")  # anything else is a file


def _weights(value: str) -> str:
    return value if value in WEIGHTS else str(Path(value).absolute())


class Part(BaseModel):
    """A part of a recipe: no key is unknown, no number is infinite.

    Paths become absolute, so that a run can be repeated from another place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataRecipe(Part):
    """What to learn from."""

    name: str = Field(description="data set, such as rooms or nyuv2")
    root: Annotated[Path, AfterValidator(Path.absolute)] | None = Field(
        None, description="folder or file that holds the data"
    )
    size: tuple[PositiveInt, PositiveInt] = Field(description="height and width of the network's input, pixels")
    options: dict[str, Any] = Field({}, description="what else this data set can be told, such as fold")


class NetworkRecipe(Part):
    """Which network; see `afanet.create_network`."""

    method: str = Field(description="single, hard, cross_stitch, nddr or afa")
    backbone: str = Field(description="a timm model with stages, such as resnet18")
    weights: Annotated[str, AfterValidator(_weights)] = Field(
        "none", description="of the backbone: none, pretrained (timm downloads them) or a file"
    )
    output_stride: PositiveInt = Field(16, description="input pixels per pixel of the last dense features")


class OptimizerRecipe(Part):
    """How parameters move; a part's learning rate is `lr` times the part's factor."""

    name: Literal["adamw", "sgd"] = Field(description="optimiser")
    lr: PositiveFloat = Field(description="learning rate")
    weight_decay: NonNegativeFloat = Field(description="weight decay; norms and biases have none")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd, beta1 of adamw")
    backbone: PositiveFloat = Field(1.0, description="factor on lr for the backbones")
    head: PositiveFloat = Field(1.0, description="factor on lr for the heads")
    fusion: PositiveFloat = Field(1.0, description="factor on lr for the fusion layers")


class ScheduleRecipe(Part):
    """How the learning rate changes over the run: a linear rise, then down to zero or level."""

    name: Literal["poly", "cosine", "constant"] = Field(description="shape after the warm-up")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps over which the rate rises")
    power: PositiveFloat = Field(0.9, description="exponent of poly")


class Recipe(Part):
    """Everything that decides a training run."""

    name: str = Field(description="name of the recipe, of which the run folder takes its own")
    data: DataRecipe
    tasks: tuple[str, ...] | None = Field(None, min_length=1, description="tasks to learn, all if not given")
    network: NetworkRecipe
    optimizer: OptimizerRecipe
    schedule: ScheduleRecipe
    epochs: PositiveInt = Field(description="passes over the training split")
    steps: PositiveInt | None = Field(None, description="stop after so many optimiser steps, if sooner")
    batch_size: PositiveInt = Field(description="images per step")
    seed: NonNegativeInt = Field(0, lt=2**32, description="of weights, order and augmentation")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps")
    precision: Literal["auto", "bf16", "float32"] = Field(
        "auto", description="bf16 (autocast), float32, or auto: bf16 where the device computes in it"
    )
    workers: NonNegativeInt = Field(2, description="processes that prepare samples")


def recipe_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> dict[str, str]:
    """Every dotted key of a recipe with its description.

    >>> recipe_keys()["optimizer.lr"]
    'learning rate'
    """
    keys: dict[str, str] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Part):
            keys |= recipe_keys(field.annotation, f"{prefix}{name}.")
        else:
            keys[prefix + name] = field.description or ""
    return keys
