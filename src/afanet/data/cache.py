"""The cache: a data set decoded once into memory-mapped arrays, looked up by the content of its source files.

A cache is the folder `CACHE/NAME-CONFIG/CONTENT/`: CONFIG is a hash of the recipe's data section, CONTENT a hash of the
bytes of every source file. Each split is a folder with one `.npy` file for the images, one for each task's targets, and
`index.json`, which has the samples' ids and the samples that each task is labelled for. `files.json` beside the folders
has the digest, size and time of each file, so that looking up a cache reads only files that have changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from afanet import __version__
from afanet.data.sample import Data, Reader, Sample, Split
from afanet.errors import InputError
from afanet.files import path_in, require_regular
from afanet.json_text import read_json, to_json
from afanet.outside import short_name
from afanet.paths import cache_root
from afanet.tasks.maps import target_types

MOST_BYTES = 2**30  # of a text that describes millions of samples
FORMAT = 2  # of the files and of how photos become pixels; a cache of another format is ignored
WHOLE = ("Tensor", "Points")  # types of targets that are not maps

Seen = dict[str, tuple[int, int, str]]  # path: size, time and digest


def config_folder(name: str, config: Mapping[str, Any]) -> Path:
    """The folder of the caches of data set `name` opened with `config`, which must be plain values."""
    text = to_json([FORMAT, __version__, name, dict(config)], sort_keys=True)
    return path_in(cache_root(), f"{short_name(name)}-{blake2b(text.encode(), digest_size=6).hexdigest()}")


def use_cache(data: Data, folder: Path) -> tuple[Data, Path | None]:
    """`data` read from the cache in `folder` that fits its files, and that cache; `data` and None if there is none.

    Streamed data are always read from their stream, which decides their order.
    """
    if not folder.is_dir() or data.streamed:
        return data, None
    cache = folder / content_key(data, read_seen(folder))[0]
    if not cache.is_dir():
        return data, None
    splits: dict[str, Any] = {name: _cached(split, cache / name) for name, split in data.splits.items()}
    return replace(data, **splits), cache


def fingerprint(data: Data, folder: Path) -> str:
    """A hash of the content of `data`, independent of where its files are and of whether a cache in `folder` is read.

    >>> from afanet.data import open_data
    >>> few, many = (open_data("rooms", size=(24, 32), train_scenes=n, test_scenes=1) for n in (2, 3))
    >>> fingerprint(few, Path("none")) == fingerprint(many, Path("none"))
    False
    """
    return content_key(originals(data), read_seen(folder))[0]


def originals(data: Data) -> Data:
    """`data` read from their own files, not from a cache."""
    splits: dict[str, Any] = {name: _uncached(split) for name, split in data.splits.items()}
    return replace(data, **splits)


def content_key(data: Data, seen: Seen) -> tuple[str, Seen]:
    """A hash of the splits' samples and of the bytes of all files, and the size, time and digest of each file.

    Only files that are new or have changed since `seen` are read. Streamed data know their hash without reading.
    """
    if data.streamed:
        return data.streamed.content, seen

    def look(file: Path) -> tuple[int, int, str]:
        try:
            stat = file.stat()
            known = seen.get(str(file))
            if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
                return known
            with require_regular(file).open("rb") as opened:
                return stat.st_size, stat.st_mtime_ns, file_digest(opened, "blake2b").hexdigest()[:32]
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): copy it again") from None

    files = list(dict.fromkeys(_source_files(data)))
    with ThreadPoolExecutor() as pool:
        current = dict(zip(map(str, files), pool.map(look, files), strict=True))
    total = blake2b(digest_size=8)
    for name, split in data.splits.items():
        # An item identifies its sample, and in some data sets holds its labels too.
        lines = [f"{name} {len(split)}", *(current[str(file)][2] for file in split.read.sources())]
        total.update("\n".join(lines).encode())
        for item in split.items:
            digests = [current[str(file)][2] for file in split.read.files(item)]
            optional = split.read.optional_files(item)
            digests += [current[str(file)][2] if str(file) in current else "-" for file in optional]
            total.update(f"\n{item!r} {' '.join(digests)}".encode())
    return total.hexdigest(), current


def read_seen(folder: Path) -> Seen:
    """The content of `files.json`; empty if it is missing or damaged, since it can be computed again."""
    try:
        entries = read_json(folder / "files.json", MOST_BYTES)
        return {path: (int(size), int(time), str(digest)) for path, (size, time, digest) in entries.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _source_files(data: Data) -> Iterator[Path]:
    for split in data.splits.values():
        yield from split.read.sources()
        for item in split.items:
            yield from split.read.files(item)
            yield from (file for file in split.read.optional_files(item) if file.exists())


class Cached(Reader):
    """Reads samples from a split's folder in a cache, memory-mapped and without copying."""

    def __init__(self, folder: Path, original: Reader):
        self.folder = folder
        self.original = original
        self._open()

    def _open(self) -> None:
        folder = self.folder
        try:
            self.index = read_json(folder / "index.json", MOST_BYTES)
            self.images = map_array(folder / "image.npy")
            self.targets = {task: map_array(path_in(folder, f"target.{task}.npy")) for task in self.index["kinds"]}
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder} is not a complete cache ({error}): remove {folder.parent}") from None

    def __getstate__(self) -> dict[str, Any]:
        # For workers that are not forked: a pickled memory map would hold all the data that it maps.
        return {"folder": self.folder, "original": self.original}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __call__(self, item: tuple[int, Any]) -> Sample:
        row, labelled = item[0], self.index["labelled"]
        targets = {task: array[row] for task, array in self.targets.items() if labelled[task][row]}
        return as_sample(self.index, row, self.images[row], targets)

    def files(self, item: tuple[int, Any]) -> Any:
        return self.original.files(item[1])

    def optional_files(self, item: tuple[int, Any]) -> Any:
        return self.original.optional_files(item[1])

    def sources(self) -> Sequence[Path]:
        return self.original.sources()

    def values(self, item: tuple[int, Any]) -> Mapping[str, Tensor]:
        kinds, labelled = self.index["kinds"], self.index["labelled"]
        pooled = [task for task in self.targets if kinds[task] == Tensor.__name__ and labelled[task][item[0]]]
        return {task: _wrap(self.targets[task][item[0]], Tensor.__name__) for task in pooled}

    def origin(self, item: tuple[int, Any]) -> tuple[int, ...]:
        return self.original.origin(item[1])

    def group(self, item: tuple[int, Any]) -> str | None:
        return self.original.group(item[1])


@dataclass(frozen=True)
class Numbered(Sequence[tuple[int, Any]]):
    """Items with their numbers, as `enumerate` gives them, without a copy."""

    items: Sequence[Any]

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> tuple[int, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return index % len(self.items), self.items[index]


def _cached(split: Split, folder: Path) -> Split:
    return Split(Cached(folder, split.read), Numbered(split.items), split.transform)


def _uncached(split: Split) -> Split:
    if not isinstance(split.read, Cached):
        return split
    return Split(split.read.original, cast(Numbered, split.items).items, split.transform)


def as_sample(index: Mapping[str, Any], row: int, image: NDArray[Any], targets: Mapping[str, NDArray[Any]]) -> Sample:
    """The sample in a row of a split, from its stored pixels (H, W, C), its targets, and the split's `index.json`."""
    kinds, extents = index["kinds"], index.get("extents")
    height, width = extents[row] if extents else image.shape[:2]
    wrapped = {
        task: _wrap(values if kinds[task] in WHOLE else values[..., :height, :width], kinds[task])
        for task, values in targets.items()
    }
    pixels = torch.from_numpy(image[:height, :width]).permute(2, 0, 1)
    return {"image": tv_tensors.Image(pixels), "targets": wrapped, "id": index["ids"][row]}


def map_array(file: Path) -> np.memmap[Any, Any]:
    """The array in a `.npy` file, mapped into memory."""
    # "c": private and writable, as torch wants arrays to be; nothing is copied unless it is written to
    array: np.memmap[Any, Any] = np.load(require_regular(file), mmap_mode="c", allow_pickle=False)
    return array


def _wrap(value: Any, kind: str) -> Tensor:
    tensor = torch.from_numpy(np.asarray(value))
    if kind == Tensor.__name__:
        return tensor
    types = target_types()
    if kind not in types:
        raise InputError(
            f"the cache of prepared samples has targets of type {kind!r:.60}, expected one of: {', '.join(types)}; "
            "remove the cache and run `afanet data prepare` again"
        )
    wrapped: Tensor = types[kind](tensor)
    return wrapped
