"""What `afanet data prepare` has stored of the same files, for a run that finds no cache that fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from afanet.data.cache import read_seen
from afanet.data.sample import Data

IMAGES = "*/test/image.npy"  # of each cache in a configuration's folder; test images have the cache's size


def prepare_hint(data: Data, folder: Path, size: tuple[int, int]) -> str:
    """Why `data` at `size` cannot be read from a cache in `folder`, and what to do, as the end of a sentence."""
    wanted = _size(size)
    if any(folder.glob(IMAGES)):
        return "its files have changed since `afanet data prepare`; prepare it again to read it from the cache"
    if sizes := prepared_sizes(data, folder):
        if size in sizes:
            return "`afanet data prepare` stored it with other data.options; prepare it with those of this run too"
        stored = " and ".join(map(_size, sizes))
        height, width = size
        return (
            f"`afanet data prepare` stored it at {stored}, but this run takes {wanted}; prepare it with "
            f"--size {height} {width} to read it from the cache"
        )
    return "`afanet data prepare` makes that unnecessary"


def prepared_sizes(data: Data, folder: Path) -> list[tuple[int, int]]:
    """The sizes (H, W) of the caches of the same files beside `folder`."""
    files = data.test.read.files(data.test.items[0]) if len(data.test) else ()
    name = folder.name.rpartition("-")[0]
    sizes = set()
    for other in folder.parent.glob(f"{name}-*") if files else ():
        stored = list(other.glob(IMAGES)) if other != folder and other.name.rpartition("-")[0] == name else []
        if stored and str(files[-1]) in read_seen(other):
            sizes |= {size for file in stored if (size := _stored_size(file))}
    return sorted(sizes)


def _stored_size(images: Path) -> tuple[int, int] | None:
    try:
        _, height, width, _ = np.load(images, mmap_mode="r", allow_pickle=False).shape
    except (OSError, EOFError, ValueError):
        return None  # whoever uses a damaged cache reports it
    return height, width


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
