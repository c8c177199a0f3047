"""A recipe: everything that defines a training run, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
)
from pydantic_core import PydanticCustomError

from afanet.framing import Resize
from afanet.limits import MOST_COUNT
from afanet.names import name_fault
from afanet.networks.freeze import TASK
from afanet.networks.methods import listed
from afanet.paths import is_on_hub
from afanet.recipe.network import NetworkRecipe
from afanet.recipe.section import AbsolutePath, Address, Count, Section, Side, TaskName
from afanet.recipe.stopping import Select, SelectRecipe, StopRecipe

PARTS = ("backbone", "head", "fusion")  # of a network; each may have a learning rate of its own


def _start(source: str) -> str:
    return source if is_on_hub(source) else str(Path(source).absolute())


def _rated(what: str) -> str:
    if what in PARTS or (what.startswith(TASK) and not name_fault(what.removeprefix(TASK))):
        return what
    raise PydanticCustomError("rates", "which should be {parts} or task:NAME", {"parts": ", ".join(PARTS)})


class DataRecipe(Section):
    """The data to learn from."""

    name: str = Field(description="data set, such as rooms or nyuv2")
    root: AbsolutePath | None = Field(None, description="folder or file that holds the data")
    size: tuple[Side, Side] = Field(description="height and width of the images, in pixels; scores are at this size")
    resize: Resize = Field(
        "stretch", description="how images of other proportions fit size: stretch, letterbox (pad) or crop (middle)"
    )
    crop: tuple[Side, Side] | None = Field(
        None, description="height and width of the random part of each image that training sees; all by default"
    )
    stream: Address | None = Field(
        None, description="folder or address (http, https, s3) of a stream to read instead of the files"
    )
    stream_cache: float = Field(
        10.0, gt=0, le=MOST_COUNT, description="most gigabytes of a stream that are kept on this machine"
    )
    features: Literal["auto", "none"] = Field(
        "auto", description="stored features of a frozen trunk: auto reads them if there are some, none does not"
    )
    resident: bool = Field(
        False, description="keep the prepared samples in the device's memory and make batches there, without workers"
    )
    options: dict[str, Any] = Field({}, description="further options of this data set, such as fold")

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the network's input in training."""
        return self.crop or self.size


class OptimizerRecipe(Section):
    """How parameters are updated; the learning rate of a part is `lr` times the part's factor."""

    name: Literal["adamw", "adam", "sgd"] = Field(description="optimiser")
    lr: PositiveFloat = Field(description="learning rate")
    weight_decay: NonNegativeFloat = Field(description="weight decay")
    decay_all: bool = Field(False, description="also decay norms and biases, as older recipes did")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd, beta1 of adam and adamw")
    backbone: PositiveFloat = Field(1.0, description="factor on lr for the backbones")
    head: PositiveFloat = Field(1.0, description="factor on lr for the heads")
    rates: dict[Annotated[str, AfterValidator(_rated)], PositiveFloat] = Field(
        {}, description="factors on lr by part (backbone, head, fusion; replacing these keys) or by task (task:NAME)"
    )
    fusion: PositiveFloat | None = Field(
        None,
        description="factor on lr for the fusion layers; by default 100 for "
        f"{listed(lambda row: row.fusion_rate == 100)}, as their authors chose, and the heads' factor for the others",
    )
    clip: PositiveFloat | None = Field(None, description="largest norm of the whole gradient; unlimited by default")
    accumulate: Count = Field(1, description="number of batches whose gradients are averaged for one step")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of a moving average of the weights, which is then scored and kept"
    )


class ScheduleRecipe(Section):
    """How the learning rate changes over the run: a linear rise, then a fall or a constant rate."""

    name: Literal["poly", "cosine", "step", "constant"] = Field(description="shape after the warm-up")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps over which the rate rises")
    power: PositiveFloat = Field(0.9, description="poly: exponent")
    every: Count = Field(10, description="step: epochs between two falls")
    gamma: float = Field(0.1, gt=0, lt=1, description="step: factor of each fall")
    over: Count | None = Field(None, description="poly, cosine: epochs over which the rate falls; all by default")
    floor: float = Field(0.0, ge=0, lt=1, description="lowest factor after the warm-up")


class SamplerRecipe(Section):
    """Which samples training draws more often; without `tasks`, each sample is drawn once per epoch."""

    tasks: tuple[TaskName, ...] = Field(
        (), description="tasks whose labels decide how often a sample is drawn; each task is drawn equally often"
    )
    classes: bool = Field(True, description="draw the classes of these tasks equally often, too")


class BalancingRecipe(Section):
    """How the tasks' losses or gradients are combined; `afanet balancing` lists the names."""

    name: str = Field("equal", description="method, such as equal, fixed, dwa, uw or cagrad")
    options: dict[str, Any] = Field({}, description="further options of this method, such as temperature")
    weights: dict[TaskName, PositiveFloat] = Field({}, description="fixed: the weight of each task's loss")
    scale: Literal["equal", "paper"] = Field(
        "equal",
        description="length of combined gradients: equal (N identical ones give what the method equal gives) or paper "
        "(as in the method's paper)",
    )


class Recipe(Section):
    """Everything that defines a training run."""

    name: str = Field(description="name of the recipe, which begins the name of the run folder")
    code: dict[str, str] = Field(
        {}, description="SHA-256 of each file of your own code that the recipe names, stored when a run begins"
    )
    data: DataRecipe
    tasks: tuple[TaskName, ...] | None = Field(None, min_length=1, description="tasks to learn; all by default")
    losses: dict[TaskName, dict[str, Any]] = Field(
        {}, description="options of each task's loss, such as its name, weight or class_weights"
    )
    network: NetworkRecipe
    warm_start: tuple[AbsolutePath, ...] | None = Field(
        None, min_length=1, description="run folders of single-task networks to start from"
    )
    start_from: Annotated[str, AfterValidator(_start)] | None = Field(
        None, description="finished run of any method to start from: its folder, a saved one, or hub:OWNER/NAME"
    )
    fresh: tuple[str, ...] = Field(
        (),
        description="parts that are not taken from the run that start_from names: backbone, heads, fusion, task:NAME, "
        "backbone.TASK or head.TASK",
    )
    old_tasks: tuple[TaskName, ...] = Field(
        (), description="tasks of the run that start_from names, stored when a run begins"
    )
    distill: tuple[Annotated[str, AfterValidator(_start)], ...] = Field(
        (),
        description="teachers, finished runs from which tasks of the same names learn: run folders, saved ones, or "
        "hub:OWNER/NAME",
    )
    distill_weight: PositiveFloat | None = Field(
        None,
        description="learn from teachers everywhere, with this factor; by default only where labels are missing",
    )
    distill_temperature: PositiveFloat = Field(
        1.0, description="temperature that softens the probabilities of teacher and network for their comparison"
    )
    distill_features: PositiveFloat | None = Field(
        None, description="factor of a loss that makes the attention maps of a head's features like the teacher's"
    )
    warm_heads: bool = Field(True, description="whether a warm start also takes the heads")
    two_stage: bool = Field(False, description="train single-task networks first and start from them")
    optimizer: OptimizerRecipe
    schedule: ScheduleRecipe
    balancing: BalancingRecipe = BalancingRecipe()
    sampler: SamplerRecipe = SamplerRecipe()
    epochs: Count = Field(description="passes over the training split")
    steps: Count | None = Field(None, description="stop after this many optimiser steps, if that is sooner")
    batch_size: Count = Field(description="images per batch, summed over all processes")
    select: Select = Field(
        "last", description="the epoch that is kept: last, or validation for the best on the validation split"
    )
    stop: StopRecipe = StopRecipe()
    seed: NonNegativeInt = Field(0, lt=2**32, description="seed of weights, order and augmentation")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps")
    devices: Count = Field(1, description="number of processes that train together, one per device")
    precision: Literal["auto", "bf16", "float32"] = Field(
        "auto",
        description="precision of training: bf16 (autocast), float32, or auto (bf16 where it is faster); "
        "scores and predictions are always in float32",
    )
    workers: NonNegativeInt = Field(
        2, le=MOST_COUNT, description="number of processes that prepare samples, for each process that trains"
    )
    checkpoint_every: Count | None = Field(None, description="steps between checkpoints, in addition to one per epoch")
    keep_optimizer: bool = Field(
        False, description="keep the optimiser's state in last.ckpt after the run: twice the weights' size"
    )
    skip_nonfinite: bool = Field(False, description="skip and count steps whose loss is not a finite number")
    pictures_every: Count = Field(10, description="epochs between pictures of predictions in TensorBoard")
    loggers: tuple[Literal["wandb", "mlflow"], ...] = Field(
        (), description="loggers in addition to the table and TensorBoard: wandb or mlflow, if installed"
    )

    @property
    def selects(self) -> bool:
        """Whether the best epoch on the validation split is kept, not the last."""
        return self.select != "last"

    @property
    def select_by(self) -> str | None:
        """The TASK or TASK.METRIC by which epochs are compared; None for the mean change over all tasks."""
        return self.select.by if isinstance(self.select, SelectRecipe) else None


def recipe_fields(model: type[BaseModel] = Recipe, prefix: str = "") -> dict[str, Any]:
    """Every dotted key of a recipe with its field; a section that may be null is also a key itself.

    >>> recipe_fields()["optimizer.lr"].description
    'learning rate'
    >>> [key for key in recipe_fields() if key.startswith("network.lora")]
    ['network.lora', 'network.lora.rank', 'network.lora.by', 'network.lora.where']
    """
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is not field.annotation:
            fields[prefix + name] = field
        if section is not None:
            fields |= recipe_fields(section, f"{prefix}{name}.")
    return fields


def _section(annotation: Any) -> type[Section] | None:
    """The section that a field holds, or may hold."""
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def recipe_keys() -> dict[str, str]:
    """Every dotted key of a recipe with its description.

    >>> recipe_keys()["optimizer.lr"]
    'learning rate'
    """
    return {key: field.description or "" for key, field in recipe_fields().items()}
