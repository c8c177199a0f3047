"""Reads a stream: a data set whose samples come from shards, not from its own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.data.cache import WHOLE, as_sample
from afanet.data.sample import Data, Reader, Sample, Split, Streamed
from afanet.data.streams.fetch import Say
from afanet.data.streams.index import NAME, WINDOW, Index, SplitIndex, layout, read_index, require_own_kinds
from afanet.data.streams.local import LocalShards, require_room
from afanet.data.streams.place import Place
from afanet.data.streams.steps import read_steps
from afanet.errors import InputError, shown
from afanet.normalisation import Normalisation
from afanet.paths import cache_root
from afanet.tasks import Description, Task, read_task
from afanet.tasks.maps import target_types

REMOVED = 5  # times that another process may remove a shard before it is read; more means that the cache is too small


class StreamedSamples(Reader):
    """Reads the samples of a split by number."""

    def __init__(self, split: SplitIndex, shards: LocalShards):
        self.split, self.shards = split, shards
        self.index: dict[str, Any] = split.model_dump(include={"ids", "kinds", "labelled", "extents"})

    def __call__(self, item: int) -> Sample:
        labelled = self.index["labelled"]
        names = ["image", *(f"target.{task}" for task in self.split.kinds if labelled[task][item])]
        values = self._read(item, names)
        image = values.pop("image")
        return as_sample(self.index, item, image, {name.removeprefix("target."): v for name, v in values.items()})

    def _read(self, item: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        number, row = divmod(item, self.split.rows)
        shard = self.split.shards[number]
        for _ in range(REMOVED):
            with suppress(FileNotFoundError), self.shards.path(shard).open("rb") as file:
                return {name: self._row(file, name, number, row) for name in names}
        raise InputError(f"{shard.name} is removed as soon as it comes: raise data.stream_cache, or lower workers")

    def _row(self, file: Any, name: str, number: int, row: int) -> NDArray[Any]:
        array = self.split.arrays[name]
        rows = min(self.split.rows, len(self.split.ids) - number * self.split.rows)
        file.seek(layout(self.split.arrays, rows)[0][name] + row * array.row)
        values = bytearray(file.read(array.row))  # writable, as torch wants arrays to be
        return np.frombuffer(values, array.dtype).reshape(array.shape)


def open_stream(address: str, config: Mapping[str, Any], gigabytes: float, say: Say) -> Data:
    """The data of the stream at `address`, opened by `config`; at most `gigabytes` of its shards are kept here.

    Raises `InputError` for a stream that cannot be read, was written with another `config`, or whose shards need more
    space.
    """
    place, folder, most = Place(address), cache_root() / "streams", int(gigabytes * 1e9)
    index = read_index(place, say)
    _require_config(place, index.config, config)
    require_room(index.shards, WINDOW, most)
    shards = LocalShards(place, folder, most, say)
    tasks = _tasks(place, index)
    splits: dict[str, Any] = {name: _split(split, tasks, shards) for name, split in index.splits.items()}
    survey = None if index.survey is None else (index.survey.splits, index.survey.twins)
    size = sum(shard.size for shard in index.shards) / 1e6
    say(f"streaming {len(index.shards)} shards ({size:.0f} MB) from {address}; up to {gigabytes:g} GB lie in {folder}")
    return Data(
        **splits,
        tasks=tasks,
        describe=index.describe,
        warnings=index.warnings,
        notes=index.notes,
        remedies=index.remedies,
        machine_made=index.machine_made,
        normalisation=Normalisation(index.mean, index.std),
        streamed=Streamed(index.content, index.train.rows, survey),
    )


def _split(split: SplitIndex, tasks: Mapping[str, Task], shards: LocalShards) -> Split:
    return Split(StreamedSamples(split, shards), range(len(split.ids)), read_steps(split.steps, split.framed, tasks))


def _tasks(place: Place, index: Index) -> dict[str, Task]:
    source = place.file(NAME)
    require_own_kinds(index.tasks, source)
    try:
        tasks = {name: read_task(Description.from_json(name, described)) for name, described in index.tasks.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source} has a task that cannot be read ({error}): copy it again") from None
    for name, kind in ((name, kind) for split in index.splits.values() for name, kind in split.kinds.items()):
        if name not in tasks or (kind not in target_types() and kind not in WHOLE):
            raise InputError(f"{source} has targets '{name:.60}' of an unknown task or type {kind:.60}")
    return tasks


def _require_config(place: Place, written: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key in {**written, **wanted}:
        if written.get(key) != wanted.get(key):
            raise InputError(
                f"the stream {place.address} has data.{key} {shown(written.get(key))}, but this run takes "
                f"{shown(wanted.get(key))}: give it as the stream has it, or write another stream by this recipe"
            )
