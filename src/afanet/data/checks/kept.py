"""The statistics of a data set, which `afanet data prepare` keeps in its cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from afanet.data.cache import MOST_BYTES, Cached
from afanet.data.sample import Data
from afanet.json_text import read_json, to_json

FILE = "survey.json"


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Task(_Kept):
    labelled: int
    blank: int | None = None
    labelled_share: float | None = None
    labelled_of: Literal["entries"] | None = None
    counts: dict[str, int] | None = None
    total: int | None = None
    min: float | None = None
    max: float | None = None
    percentiles: dict[str, float] | None = None


class _Split(_Kept):
    images: int
    sizes: dict[str, int]
    tasks: dict[str, _Task]


class _Survey(_Kept):
    splits: dict[str, _Split]
    twins: list[str]


def write_kept(cache: Path, splits: Mapping[str, Mapping[str, Any]], twins: Sequence[str]) -> None:
    """Keep the statistics of every split, and the sentences about images in two splits, in the folder of a cache."""
    (cache / FILE).write_text(to_json({"splits": splits, "twins": twins}), encoding="utf-8")


def read_kept(data: Data) -> tuple[dict[str, dict[str, Any]], list[str]] | None:
    """The statistics that `write_kept` wrote, for data read from a cache or stream; None if missing or damaged."""
    if data.streamed:
        return data.streamed.survey
    if not isinstance(data.train.read, Cached):
        return None
    try:
        kept = _Survey.model_validate(read_json(data.train.read.folder.parent / FILE, MOST_BYTES))
    except (OSError, ValueError, ValidationError):
        return None  # the statistics can be computed again
    splits = kept.model_dump(exclude_none=True)["splits"]
    if splits.keys() != data.splits.keys() or any(
        split["tasks"].keys() != data.tasks.keys() for split in splits.values()
    ):
        return None
    return splits, kept.twins
