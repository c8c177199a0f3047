"""Writes a stream: the cache of a data set as shards with a fixed number of samples, and finally the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from afanet import __version__
from afanet.data.cache import Cached, use_cache
from afanet.data.checks.kept import read_kept
from afanet.data.padding import Framed
from afanet.data.sample import Data, Split
from afanet.data.streams.fetch import Say
from afanet.data.streams.index import (
    NAME,
    VERSION,
    Array,
    Index,
    Shard,
    SplitIndex,
    layout,
    read_index,
    require_own_kinds,
)
from afanet.data.streams.place import Place
from afanet.data.streams.steps import describe_steps
from afanet.errors import InputError
from afanet.tasks import Description

SHARD = 32 * 10**6  # bytes: large enough for few requests, small enough to be fetched again


def write_stream(
    data: Data,
    cache: Path,
    config: Mapping[str, Any],
    address: str,
    say: Say,
    *,
    shard: int = SHARD,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Index, bool]:
    """Write `data`, which `prepare` has stored in `cache`, as a stream at `address`, unless the stream exists.

    Returns the index and whether it is new. A shard has about `shard` bytes; `advance` is called after every sample.
    `config` is the configuration with which the data were opened. Raises `InputError` for data whose transforms an
    index cannot hold, and for a place that has a stream of other data or cannot be written. The index is written last,
    so an unfinished stream has none.
    """
    place = Place(address)
    stored, found = use_cache(data, cache.parent)
    if found != cache or data.shares is not None:
        raise InputError(f"{cache} is not the cache of these data, or they are joined: stream one data set")
    require_own_kinds({name: Description.of(task).as_json() for name, task in data.tasks.items()}, "the data set")
    described = {name: describe_steps(split.transform) for name, split in data.splits.items()}
    if (there := _existing(place, say)) is not None:
        if (there.content, there.config) == (cache.name, dict(config)):
            return there, False
        raise InputError(
            f"{address} has a stream of other data or options ({there.describe:.120}): give another place, or remove it"
        )
    splits = {
        name: _write_split(name, split, described[name], place, shard, advance) for name, split in stored.splits.items()
    }
    index = Index.model_validate(_about(stored, config, cache.name) | splits)
    place.write(NAME, index.model_dump_json().encode())
    return index, True


def _existing(place: Place, say: Say) -> Index | None:
    """The index at a place; None if there is none."""
    try:
        return read_index(place, say)
    except InputError as error:
        if "(404)" in str(error):
            return None
        raise


def _about(data: Data, config: Mapping[str, Any], content: str) -> dict[str, Any]:
    kept = read_kept(data)
    return {
        "version": VERSION,
        "writer": __version__,
        "config": dict(config),
        "content": content,
        "describe": data.describe,
        "warnings": list(data.warnings),
        "notes": list(data.notes),
        "remedies": dict(data.remedies),
        "machine_made": data.machine_made,
        "mean": data.normalisation.mean,
        "std": data.normalisation.std,
        "tasks": {name: Description.of(task).as_json() for name, task in data.tasks.items()},
        "survey": None if kept is None else {"splits": kept[0], "twins": kept[1]},
    }


def _write_split(
    name: str,
    split: Split,
    steps: list[dict[str, Any]],
    place: Place,
    shard: int,
    advance: Callable[[], None],
) -> SplitIndex:
    read = split.read
    assert isinstance(read, Cached)
    stored = {"image": read.images} | {f"target.{task}": array for task, array in read.targets.items()}
    arrays = {key: Array(dtype=array.dtype.str, shape=array.shape[1:]) for key, array in stored.items()}
    rows = max(1, shard // sum(array.row for array in arrays.values()))
    shards = []
    for number, start in enumerate(range(0, len(split), rows)):
        end = min(start + rows, len(split))
        starts, size = layout(arrays, end - start)
        content = bytearray(size)
        for key, array in stored.items():
            values = np.ascontiguousarray(array[start:end]).tobytes()
            content[starts[key] : starts[key] + len(values)] = values
        shards.append(Shard(name=f"{name}-{number:05}.shard", size=size, sha256=sha256(content).hexdigest()))
        place.write(shards[-1].name, bytes(content))
        for _ in range(start, end):
            advance()
    return SplitIndex(
        **read.index, arrays=arrays, rows=rows, shards=shards, framed=isinstance(split.transform, Framed), steps=steps
    )
