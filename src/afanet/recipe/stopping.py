"""The sections of a recipe that say which epoch is kept and when training stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from afanet.recipe.section import Count, Section

Split = Literal["last", "validation"]
SPLITS: tuple[Split, ...] = get_args(Split)


class SelectRecipe(Section):
    """Keep the best epoch on the validation split, judged by one score."""

    by: str = Field(description="TASK or TASK.METRIC that selects the epoch on the validation split")


class StopRecipe(Section):
    """When training stops early."""

    patience: Count | None = Field(
        None,
        description="stop after this many epochs without better scores on the validation split, judged by select.by "
        "or else over all tasks; never by default",
    )


def _select(value: Any) -> Any:
    if isinstance(value, SelectRecipe) or (isinstance(value, str) and value in SPLITS):
        return value
    if isinstance(value, Mapping) and set(value) == {"by"} and isinstance(value["by"], str):
        return value
    raise PydanticCustomError("select", "which should be last, validation, or a section with by: TASK or TASK.METRIC")


Select = Annotated[Split | SelectRecipe, BeforeValidator(_select)]
