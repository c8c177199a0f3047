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
    """In which form something to freeze is given; the error's key leaves this out."""
    return "[until]" if isinstance(value, Mapping) else "[several]" if isinstance(value, list | tuple) else "[name]"


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) and len(value) == 1 else value


def _head_names(value: Any) -> Any:
    if value is None or isinstance(value, str) or _are_names(value):
        return value
    raise PydanticCustomError("head_names", "which should be a name for all tasks, or a name for each task by its own")


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
        None, description="lora: adapters of each task's own (task) or one set for all (shared), by the method if null"
    )
    where: Literal["attention", "all"] = Field(
        "attention", description="lora: on the projections of attention, or on all linear layers and 1x1 convolutions"
    )


class NetworkRecipe(Section):
    """The network; see `afanet.create_network`."""

    method: str = Field(description=f"{listed()}; one of your own as FILE.py:CLASS")
    head: HeadNames = Field(
        None,
        description=f"{described()}; one of your own as FILE.py:CLASS; for all tasks or by task, as "
        "network.head.TASK; by the output and the backbone if not given",
    )
    backbone: str = Field(description="a timm model with stages or blocks, such as resnet18")
    weights: Annotated[str, AfterValidator(_weights)] = Field(
        "none",
        description="of the backbone: none, pretrained (timm downloads them), a file, "
        f"{FOLDER}FOLDER or {HUB}ORG/NAME (downloaded)",
    )
    partial: bool = Field(False, description="whether weights may have fewer than half of the backbone's tensors")
    in_chans: int = Field(3, gt=0, le=MOST_CHANNELS, description="channels of its images: 3 for RGB, 1 for grey")
    mean: Annotated[tuple[Mean, ...] | None, AfterValidator(_for_each_channel)] = Field(
        None, description="what is subtracted from each channel, of 0 to 1; of the backbone's weights if not given"
    )
    std: Annotated[tuple[Deviation, ...] | None, AfterValidator(_for_each_channel)] = Field(
        None, description="what divides each channel after that; of the backbone's weights if not given"
    )
    output_stride: Count = Field(16, description="input pixels per pixel of the last dense features")
    multi_grid: tuple[Count, ...] | None = Field(
        None, description="factors on the dilation of the last stage's blocks, such as 1 2 4"
    )
    taps: tuple[Annotated[int, Field(ge=0, le=MOST_COUNT)], ...] | None = Field(
        None, description="blocks of a plain backbone (a ViT) whose features are used, from 0, such as 2 5 8 11"
    )
    freeze_norm: bool = Field(False, description="keep the statistics and affine weights of the backbones' batch norms")
    freeze: Annotated[Frozen, AfterValidator(_plain)] | None = Field(
        None,
        description=f"what does not learn: {FORMS}; several, or each with the epochs after which it learns, as "
        "network.freeze.backbone 5; nothing if not given",
    )
    share_frozen: bool = Field(
        True, description="whether frozen stages that the tasks could have each for itself are one trunk of them all"
    )
    made_for: tuple[Side, Side] | None = Field(
        None,
        description="height and width of images that layers are made for whose weights depend on them; those of "
        "training if not given, or of the run that start_from names",
    )
    added: tuple[tuple[TaskName, ...], ...] | None = Field(
        None,
        description="groups of tasks that joined the others, and take from these in fusion layers without giving",
    )
    lora: LoraRecipe | None = Field(
        None, description="low-rank adapters on a frozen backbone, with rank, by and where; none if null"
    )
    compile: bool = Field(False, description="whether to compile the network, for a faster step after a slow first")
    checkpointing: bool = Field(
        False, description="whether the backbones' blocks are computed again in the backward pass, to save memory"
    )
    meet: Literal["stages", "blocks", "last_blocks"] | None = Field(
        None, description="where branches meet: after stages, blocks or last_blocks, as the method does if not given"
    )
    trunk: Count | None = Field(
        None, description="stages that all tasks share before their branches part, as the method does if not given"
    )
    per_task: bool = Field(False, description="whether each task has gates of its own, in afa and its halves")
    alive: bool = Field(
        False, description="whether the weights before AFA's spatial gates begin positive, so that none is dead"
    )
    guard: NonNegativeFloat | None = Field(
        None, description="limit of the gradient guard at the fusion layers, none if not given"
    )
