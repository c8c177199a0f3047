"""The index of a stream, `index.json`: everything about the samples except pixels and maps, which are in shards.

A shard has the same rows of every array of a split. The arrays are in the order of the index, each stored as in a
`.npy` file without its header, and each begins at a multiple of 64 bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from afanet.data.streams.fetch import Say, fetch_text
from afanet.data.streams.place import Place
from afanet.errors import InputError, shown
from afanet.json_text import parse_json
from afanet.outside import is_reference

VERSION = 1  # of the index and the shards
NAME = "index.json"
WINDOW = 16  # shards whose samples are shuffled together
ALIGNED = 64  # bytes
MOST_BYTES = 2**30  # of an index, enough for millions of samples
MOST_SHARD = 2**33  # bytes
DTYPES = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<i8", "<f2", "<f4", "<f8", "|b1")


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise ValueError(f"should be one of {', '.join(DTYPES)}")
    return name


Positive = Annotated[int, Field(gt=0, le=MOST_SHARD)]
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Shard(_Strict):
    """A shard: its file beside the index, its size in bytes and its hash."""

    name: str = Field(pattern=r"^[a-z]{1,20}-[0-9]{1,9}\.shard$")
    size: Positive
    sha256: Hash


class Array(_Strict):
    """The type and shape of one row of an array."""

    dtype: Annotated[str, AfterValidator(_dtype)]
    shape: tuple[Positive, ...] = Field(max_length=8)

    @property
    def row(self) -> int:
        """The bytes of a row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class SplitIndex(_Strict):
    """A split: the content of a cache's `index.json`, its arrays, the `rows` in a shard, and its transform."""

    ids: list[str] = Field(min_length=1)
    kinds: dict[str, str]
    labelled: dict[str, list[bool]]
    extents: list[tuple[Positive, Positive]] | None = None
    arrays: dict[str, Array]
    rows: Positive
    shards: list[Shard]
    framed: bool
    steps: list[dict[str, Any]]

    @model_validator(mode="after")
    def _fits(self) -> SplitIndex:
        count = len(self.ids)
        if any(len(labels) != count for labels in self.labelled.values()) or len(self.extents or self.ids) != count:
            raise ValueError(f"has labels or sizes for another number than {count} samples")
        if list(self.arrays) != ["image", *(f"target.{task}" for task in self.kinds)] or set(self.labelled) != set(
            self.kinds
        ):
            raise ValueError("should have an image, and an array and labels for each task")
        if len(self.arrays["image"].shape) != 3:
            raise ValueError("should have images of height, width and channels")
        if [shard.size for shard in self.shards] != [layout(self.arrays, rows)[1] for rows in self.counts()]:
            raise ValueError("has shards of other sizes than its arrays")
        return self

    def counts(self) -> Iterator[int]:
        """The number of samples in each shard."""
        for start in range(0, len(self.ids), self.rows):
            yield min(self.rows, len(self.ids) - start)


class Survey(_Strict):
    """The findings of a data check, as a cache keeps them."""

    splits: dict[str, dict[str, Any]]
    twins: list[str]


class Index(_Strict):
    """A stream: a data set as it was opened by the `config` in a recipe's data section, and prepared.

    `content` is the hash of its source files, `tasks` are their descriptions, and `writer` is the version of the
    package that wrote it.
    """

    version: Literal[1]
    writer: str
    config: dict[str, Any]
    content: str = Field(pattern="^[0-9a-f]{16}$")
    describe: str
    warnings: list[str]
    notes: list[str]
    remedies: dict[str, str]
    machine_made: dict[str, dict[str, dict[str, float]]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tasks: dict[str, dict[str, Any]]
    survey: Survey | None
    train: SplitIndex
    test: SplitIndex
    validation: SplitIndex | None = None

    @property
    def splits(self) -> dict[str, SplitIndex]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def shards(self) -> list[Shard]:
        """The shards of all splits."""
        return [shard for split in self.splits.values() for shard in split.shards]


def require_own_kinds(tasks: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Raise `InputError` for tasks of kinds from outside the package: an index never names code."""
    for name, described in tasks.items():
        if is_reference(kind := str(described.get("meaning", {}).get("kind"))):
            raise InputError(
                f"{source} has task '{name:.60}' of the kind {kind:.80}, which is code: a stream only has tasks of the "
                "package's own kinds, so train from the files or their cache"
            )


def layout(arrays: dict[str, Array], rows: int) -> tuple[dict[str, int], int]:
    """The byte at which each array begins in a shard with this many rows, and the size of the shard in bytes.

    >>> layout({"image": Array(dtype="|u1", shape=(2, 3, 3)), "age": Array(dtype="<i8", shape=())}, rows=5)
    ({'image': 0, 'age': 128}, 168)
    """
    starts, end = {}, 0
    for name, array in arrays.items():
        starts[name] = -(-end // ALIGNED) * ALIGNED
        end = starts[name] + rows * array.row
    return starts, end


def read_index(place: Place, say: Say) -> Index:
    """The index of the stream at `place`.

    Raises `InputError` for an index that cannot be fetched, has another version, or is cut or damaged.
    """
    source = place.file(NAME)
    values = parse_json(fetch_text(place, NAME, MOST_BYTES, say), source)
    if not isinstance(values, dict) or "version" not in values:
        raise InputError(f"{source} is not the index of a stream, expected what `afanet data prepare --stream` writes")
    if values["version"] != VERSION:
        raise InputError(
            f"{source} is of version {shown(values['version'])}, written by afanet {shown(values.get('writer'))}, but "
            f"this one reads version {VERSION}: write the stream again with `afanet data prepare --stream`"
        )
    try:
        return Index.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{source} is damaged: {key!r:.80} {first['msg'].removeprefix('Value error, ')}; copy it again"
        ) from None
    except OverflowError:
        raise InputError(f"{source} is damaged: its shards are too large; copy it again") from None
