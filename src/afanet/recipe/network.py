"""The section of a recipe that defines the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, NonNegativeFloat, Tag, ValidationInfo
from pydantic_core import PydanticCustomError

from afanet.limits import MOST_CHANNELS, MOST_COUNT
from afanet.networks.freeze import FORMS, freeze_fault
from afanet.networks.heads import described
from afanet.networks.methods import listed
from afanet.networks.weights.spelling import FOLDER, HUB, anchored
from afanet.normalisation import LEAST, MOST
from afanet.recipe.section import Count, Section, Side, TaskName


def _weights(value: str) -> str:
    return anchored(value, Path.cwd())


def _freeze_name(value: str) -> str:
    if fault := freeze_fault(value):
        raise PydanticCustomError("freeze", "{fault}", {"fault": fault})
    return value


def _form(value: Any) -> str:
    """Which form a value of `freeze` has; errors leave this out of the key."""
    return "[until]" if isinstance(value, Mapping) else "[several]" if isinstance(value, list | tuple) else "[name]"


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _head_names(value: Any) -> Any:
    if value is None or isinstance(value, str) or _are_names(value):
        return value
    raise PydanticCustomError("head_names", "which should be one name for all tasks, or a mapping of tasks to names")


def _are_names(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(part, str) for pair in value.items() for part in pair)


def _for_each_channel(values: tuple[float, ...] | None, info: ValidationInfo) -> tuple[float, ...] | None:
    channels = info.data.get("in_chans")
    if values is not None and channels is not None and len(values) != channels:
        raise PydanticCustomError(
            "channels",
            "which has length {given}, expected {channels}: one value for each of network.in_chans",
            {"given": len(values), "channels": channels},
        )
    return values


Mean = Annotated[float, Field(ge=-MOST, le=MOST)]
Deviation = Annotated[float, Field(ge=LEAST, le=MOST)]
FreezeName = Annotated[str, AfterValidator(_freeze_name)]
Frozen = Annotated[
    Annotated[FreezeName, Tag("[name]")]
    | Annotated[tuple[FreezeName, ...], Tag("[several]"), Field(min_length=1)]
    | Annotated[dict[FreezeName, Count | None], Tag("[until]"), Field(min_length=1)],
    Discriminator(_form),
]
HeadNames = Annotated[str | dict[str, str] | None, BeforeValidator(_head_names)]


class LoraRecipe(Section):
    """Low-rank adapters on a frozen backbone; see `afanet.networks.Lora`."""

    rank: Side = Field(16, description="lora: rank of the adapters")
    by: Literal["task", "shared"] | None = Field(
        None, description="lora: adapters per task (task) or one set for all (shared); the method decides if null"
    )
    where: Literal["attention", "all"] = Field(
        "attention", description="lora: adapt the projections of attention, or all linear layers and 1x1 convolutions"
    )


class NetworkRecipe(Section):
    """The network; see `afanet.create_network`."""

    method: str = Field(description=f"{listed()}; one of your own as FILE.py:CLASS")
    head: HeadNames = Field(
        None,
        description=f"{described()}; one of your own as FILE.py:CLASS; for all tasks, or as network.head.TASK "
        "for one; chosen by the output and the backbone by default",
    )
    backbone: str = Field(description="a timm model with stages or blocks, such as resnet18")
    weights: Annotated[str, AfterValidator(_weights)] = Field(
        "none",
        description="the backbone's weights: none, pretrained (timm downloads them), a file, "
        f"{FOLDER}FOLDER or {HUB}ORG/NAME (downloaded)",
    )
    partial: bool = Field(False, description="accept weights with fewer than half of the backbone's tensors")
    in_chans: int = Field(3, gt=0, le=MOST_CHANNELS, description="channels of the input images: 3 for RGB, 1 for grey")
    mean: Annotated[tuple[Mean, ...] | None, AfterValidator(_for_each_channel)] = Field(
        None, description="mean subtracted from each channel, 0 to 1; by default that of the backbone's weights"
    )
    std: Annotated[tuple[Deviation, ...] | None, AfterValidator(_for_each_channel)] = Field(
        None, description="standard deviation that divides each channel; by default that of the backbone's weights"
    )
    output_stride: Count = Field(16, description="input pixels per pixel of the last dense features")
    multi_grid: tuple[Count, ...] | None = Field(
        None, description="factors for the dilation of the last stage's blocks, such as 1 2 4"
    )
    taps: tuple[Annotated[int, Field(ge=0, le=MOST_COUNT)], ...] | None = Field(
        None, description="blocks of a plain backbone (a ViT) whose features are used, from 0, such as 2 5 8 11"
    )
    freeze_norm: bool = Field(False, description="keep the statistics and affine weights of the backbones' batch norms")
    freeze: Annotated[Frozen, AfterValidator(_plain)] | None = Field(
        None,
        description=f"parts that do not learn: {FORMS}; several of them, or each with the epochs after which it "
        "learns, as network.freeze.backbone 5; nothing by default",
    )
    share_frozen: bool = Field(
        True, description="make frozen stages one trunk that all tasks share, instead of one copy per task"
    )
    made_for: tuple[Side, Side] | None = Field(
        None,
        description="height and width of the images for which to build layers whose weights depend on the size; by "
        "default those of training, or of the run that start_from names",
    )
    added: tuple[tuple[TaskName, ...], ...] | None = Field(
        None,
        description="groups of tasks that joined later; in fusion layers they take from the others but give nothing",
    )
    lora: LoraRecipe | None = Field(
        None, description="low-rank adapters on a frozen backbone, with rank, by and where; none if null"
    )
    compile: bool = Field(False, description="compile the network: the first step is slow, later steps are faster")
    checkpointing: bool = Field(
        False, description="save memory by computing the backbones' blocks again in the backward pass"
    )
    meet: Literal["stages", "blocks", "last_blocks"] | None = Field(
        None, description="where branches meet: after stages, blocks or last_blocks; the method's own by default"
    )
    trunk: Count | None = Field(
        None, description="number of stages that all tasks share before they branch; the method's own by default"
    )
    per_task: bool = Field(False, description="give each task its own gates, in afa, afa_channel and afa_spatial")
    alive: bool = Field(
        False, description="initialise the weights before AFA's spatial gates as positive, so that no gate is dead"
    )
    guard: NonNegativeFloat | None = Field(
        None, description="limit of the gradient guard at the fusion layers; no limit by default"
    )
