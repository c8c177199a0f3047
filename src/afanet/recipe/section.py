"""The base of every section of a recipe, and the types of value that several sections use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from afanet.limits import MOST_COUNT, MOST_SIDE
from afanet.names import name_fault


def _task_name(name: str) -> str:
    if fault := name_fault(name):
        raise PydanticCustomError("task_name", "which {fault}: no task can be called that", {"fault": fault})
    return name


def _address(address: str) -> str:
    return address if "://" in address else str(Path(address).absolute())


Count = Annotated[int, Field(gt=0, le=MOST_COUNT)]
Side = Annotated[int, Field(gt=0, le=MOST_SIDE)]  # pixels
TaskName = Annotated[str, AfterValidator(_task_name)]
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]
Address = Annotated[str, AfterValidator(_address)]  # a URL, or the path of a folder


class Section(BaseModel):
    """A section of a recipe; unknown keys and infinite numbers are refused.

    Paths become absolute, so that a run can be repeated from another folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
