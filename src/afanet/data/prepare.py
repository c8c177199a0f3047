"""Writes the cache: reads every sample once, shrinks images that are far larger than needed, and stores arrays."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from torchvision import tv_tensors

from afanet.data.cache import content_key, read_seen
from afanet.data.checks.faults import require_sound
from afanet.data.checks.kept import write_kept
from afanet.data.checks.look import Look, Seen, SplitSums
from afanet.data.checks.twins import twins
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Sample, Split
from afanet.data.transforms import Zoom
from afanet.errors import InputError
from afanet.files import path_in, write_whole
from afanet.json_text import to_json
from afanet.tasks import Task

KEPT = 4  # training images with up to this many times the pixels that the largest zoom needs keep their size


def prepare(
    data: Data, folder: Path, *, workers: int = 2, advance: Callable[[], None] = lambda: None
) -> tuple[Path, bool]:
    """Write the cache of `data` under `folder`, unless it exists; returns its path and whether it is new.

    Test and validation images are stored as evaluation sees them. If all training images have one size, they are stored
    unchanged, so that training from the cache is identical bit for bit. If their sizes differ, or they have more than
    four times the pixels that the largest zoom needs, they are resized to what the zoom needs. `advance` is called
    after every sample.

    The cache is written under a temporary name and renamed at the end: it is complete or absent. A second process waits
    for the first. Raises `InputError`, and leaves nothing behind, for a sample that cannot be read and for a full disk.
    A process that is killed leaves a folder, which `abandoned` lists.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            key, seen = content_key(data, read_seen(folder))
            write_whole(folder / "files.json", to_json(seen))
            if (folder / key).is_dir():
                return folder / key, False
            partial = Path(tempfile.mkdtemp(suffix=".partial", dir=folder))
            try:
                sums = {
                    name: _write_split(split, data.tasks, partial / name, workers, advance)
                    for name, split in data.splits.items()
                }
                same = twins(data.splits, {name: of_split.digests for name, of_split in sums.items()})
                write_kept(partial, {name: of_split.summary() for name, of_split in sums.items()}, same)
                partial.rename(folder / key)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            return folder / key, True
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cache {folder} cannot be written ({reason}): make room, or set AFANET_CACHE") from None


def abandoned(folder: Path) -> list[Path]:
    """Unfinished folders that killed processes left under `folder`; nothing reads or removes them."""
    return sorted(folder.glob("*.partial"))


class UnevenError(Exception):
    """The samples of a split differ in size, so they cannot be stored unchanged."""


def _write_split(
    split: Split, tasks: Mapping[str, Task], folder: Path, workers: int, advance: Callable[[], None]
) -> SplitSums:
    [zoom] = [step for step in split.transform.transforms if isinstance(step, Zoom)]
    needed = (math.ceil(zoom.size[0] * zoom.most), math.ceil(zoom.size[1] * zoom.most))
    height, width = split.read(split.items[0])["image"].shape[-2:]
    # A step that needs the whole frame comes before the crop, so the frame must be stored whole.
    framed = zoom.resize == "crop" and any(getattr(step, "of_frame", False) for step in split.transform.transforms)
    if framed or (zoom.most > 1 and height * width <= KEPT * math.prod(needed)):
        try:
            return _write_samples(_Stored(split, tasks, None), folder, workers, advance)
        except UnevenError:
            shutil.rmtree(folder)
    return _write_samples(_Stored(split, tasks, needed), folder, workers, advance)


def _write_samples(stored: _Stored, folder: Path, workers: int, advance: Callable[[], None]) -> SplitSums:
    split = stored.split
    sums = SplitSums(split, stored.tasks)
    folder.mkdir()
    ids: list[str] = []
    extents: list[list[int]] = []
    kinds: dict[str, str] = {}
    labelled: dict[str, list[bool]] = {}
    arrays: dict[str, ArrayFile] = {}
    with ExitStack() as files:

        def put(name: str, value: Tensor) -> None:
            if name not in arrays:
                arrays[name] = files.enter_context(ArrayFile(path_in(folder, f"{name}.npy"), len(split)))
            arrays[name].put(len(ids), value.numpy())

        for read in in_order(stored, split.items, workers):
            if isinstance(read, InputError):
                raise read
            sample, seen = read
            if ids and sample["image"].shape[0] != arrays["image"].shape[-1]:
                raise _other_channels(sample, ids[0], arrays["image"].shape[-1])
            sums.add(len(ids), seen)
            extents.append(list(sample["image"].shape[-2:]))
            put("image", stored.filled_up(sample["image"].as_subclass(Tensor)).permute(1, 2, 0))
            for task, target in sample["targets"].items():
                is_map = isinstance(target, tv_tensors.Mask)
                plain = target.as_subclass(Tensor)
                put(f"target.{task}", stored.filled_up(plain) if is_map else plain)
                kinds[task] = type(target).__name__
                labelled.setdefault(task, [False] * len(split))[len(ids)] = True
            ids.append(sample["id"])
            advance()
    index: dict[str, Any] = {"ids": ids, "kinds": kinds, "labelled": labelled}
    if stored.size and any(extent != [*stored.size] for extent in extents):
        index["extents"] = extents  # of letterboxed images, each at the upper left of its row
    (folder / "index.json").write_text(to_json(index), encoding="utf-8")
    return sums


def _other_channels(sample: Sample, first: str, channels: int) -> InputError:
    return InputError(
        f"{sample['id']}: the image has {sample['image'].shape[0]} channels, but that of {first} has {channels}: a "
        "cache needs the same number in all images of a split, so convert them, or train without a cache"
    )


class _Stored:
    """What the cache stores of an item: the sample as it is on disk, resized to `size` unless that is None.

    It comes with the summary that a data check makes of the sample before it is resized.
    """

    def __init__(self, split: Split, tasks: Mapping[str, Task], size: tuple[int, int] | None):
        self.split = split
        self.tasks = tasks
        [zoom] = [step for step in split.transform.transforms if isinstance(step, Zoom)]
        self.size = size
        self.resize = Zoom(size, resize=zoom.resize, pad=False) if size else None
        self.look = Look(split, tasks)

    def __call__(self, item: Any) -> tuple[Sample, Seen]:
        sample = self.split.read(item)
        seen = self.look.see(sample)
        require_sound(seen.faults)
        return (self.resize(sample) if self.resize else sample), seen

    def filled_up(self, values: Tensor) -> Tensor:
        """An image or a map (..., H, W), padded with zeros below and to the right up to the stored size."""
        if self.size is None:
            return values
        return pad(values, (0, self.size[1] - values.shape[-1], 0, self.size[0] - values.shape[-2]))


class ArrayFile:
    """A `.npy` file of `rows` rows, written in order; rows that are skipped are zeros.

    It is written sequentially, because a disk that becomes full under a memory map kills the process.
    """

    def __init__(self, file: Path, rows: int):
        self.file = file.open("wb")
        self.rows = rows
        self.shape: tuple[int, ...] = ()
        self.dtype: np.dtype[Any] | None = None
        self.empty = b""
        self.written = 0

    def put(self, index: int, value: NDArray[Any]) -> None:
        """Write row `index`, which must come after all rows written so far."""
        if self.dtype is None:
            self.shape, self.dtype, self.empty = value.shape, value.dtype, bytes(value.nbytes)
            header = {"descr": value.dtype.str, "fortran_order": False, "shape": (self.rows, *value.shape)}
            np.lib.format.write_array_header_1_0(self.file, header)
        if value.shape != self.shape:
            raise UnevenError
        self._skip_to(index)
        self.file.write(value.astype(self.dtype, casting="safe", copy=False).tobytes())
        self.written += 1

    def _skip_to(self, index: int) -> None:
        for _ in range(self.written, index):
            self.file.write(self.empty)
        self.written = max(self.written, index)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *error: object) -> None:
        with self.file:
            if not any(error):
                self._skip_to(self.rows)
