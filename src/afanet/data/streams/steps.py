"""Converts the steps of a data set's transforms to plain values for the index of a stream, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torchvision.transforms import v2

from afanet.data.channels import Channels
from afanet.data.padding import Framed
from afanet.data.sample import Side, Transform
from afanet.data.sets.nyuv2.eigen import EigenCrop
from afanet.data.transforms import Flip, Zoom, evaluation
from afanet.errors import InputError
from afanet.framing import Resize
from afanet.limits import MOST_CHANNELS
from afanet.tasks import Task

Range = tuple[float, float] | None


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Channels(_Step):
    step: Literal["channels"] = "channels"
    channels: int = Field(gt=0, le=MOST_CHANNELS)


class _Zoom(_Step):
    step: Literal["zoom"] = "zoom"
    size: tuple[Side, Side]
    most: float = Field(ge=1, le=10)
    anywhere: bool
    resize: Resize
    mean: tuple[float, ...]


class _Flip(_Step):
    step: Literal["flip"] = "flip"
    p: float = Field(ge=0, le=1)
    swaps: bool


class _Jitter(_Step):
    step: Literal["jitter"] = "jitter"
    brightness: Range
    contrast: Range
    saturation: Range


class _Dtype(_Step):
    step: Literal["dtype"] = "dtype"


class _Normalise(_Step):
    step: Literal["normalise"] = "normalise"
    mean: list[float]
    std: list[float]


class _Eigen(_Step):
    step: Literal["eigen"] = "eigen"


STEP: TypeAdapter[Any] = TypeAdapter(
    Annotated[_Channels | _Zoom | _Flip | _Jitter | _Dtype | _Normalise | _Eigen, Field(discriminator="step")]
)


def describe_steps(transform: Transform) -> list[dict[str, Any]]:
    """The steps as plain values; raises `InputError` for steps that are not the package's own, and for joined data."""
    if hasattr(getattr(transform, "steps", transform), "parts"):
        raise InputError("joined data cannot be streamed, since each part has its own transform: stream the parts")
    return [_described(step).model_dump(mode="json") for step in transform.transforms]


def read_steps(described: Sequence[Mapping[str, Any]], framed: bool, tasks: Mapping[str, Task]) -> Transform:
    """The transform that `describe_steps` described; raises `InputError` for anything else.

    >>> steps = describe_steps(evaluation((4, 6)))
    >>> describe_steps(read_steps(steps, framed=False, tasks={})) == steps
    True
    """
    try:
        steps = v2.Compose([_read(STEP.validate_python(step), tasks) for step in described])
    except (ValidationError, ValueError) as error:
        raise InputError(f"the stream's index has an unknown step ({str(error).splitlines()[-1][:120]})") from None
    return Framed(steps, tasks) if framed else steps


def _described(step: Any) -> _Step:
    if type(step) is Channels:
        return _Channels(channels=step.channels)
    if type(step) is Zoom:
        return _Zoom(size=step.size, most=step.most, anywhere=step.anywhere, resize=step.resize, mean=step.mean)
    if type(step) is Flip:
        return _Flip(p=step.p, swaps=bool(step.swapping))
    if type(step) is v2.ColorJitter and step.hue is None:
        return _Jitter(brightness=step.brightness, contrast=step.contrast, saturation=step.saturation)
    if type(step) is v2.ToDtype and (step.dtype, step.scale) == (_to_dtype().dtype, True):
        return _Dtype()
    if type(step) is v2.Normalize:
        return _Normalise(mean=list(step.mean), std=list(step.std))
    if type(step) is EigenCrop:
        return _Eigen()
    raise InputError(
        f"the data set changes its samples by {type(step).__name__}, but a stream keeps only the steps of "
        "afanet.data.transforms: train from its files or its cache"
    )


def _read(step: Any, tasks: Mapping[str, Task]) -> Any:
    if isinstance(step, _Channels):
        return Channels(step.channels)
    if isinstance(step, _Zoom):
        return Zoom(step.size, step.most, anywhere=step.anywhere, resize=step.resize, mean=step.mean)
    if isinstance(step, _Flip):
        return Flip(step.p, tasks if step.swaps else None)
    if isinstance(step, _Jitter):
        return v2.ColorJitter(step.brightness or 0, step.contrast or 0, step.saturation or 0)
    if isinstance(step, _Dtype):
        return _to_dtype()
    return v2.Normalize(step.mean, step.std) if isinstance(step, _Normalise) else EigenCrop()


def _to_dtype() -> v2.ToDtype:
    [step] = [step for step in evaluation((1, 1)).transforms if isinstance(step, v2.ToDtype)]
    return step
