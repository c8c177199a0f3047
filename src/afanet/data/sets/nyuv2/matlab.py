"""NYUv2 as the official MATLAB 7.3 file, by 1-based index."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from afanet.data.sets.nyuv2.frames import Frames, Raw
from afanet.errors import InputError
from afanet.files import require_regular
from afanet.limits import MOST_PIXELS, MOST_SAMPLES

LONGEST = 1000  # most letters of a scene's name


class MatFile(Frames):
    """Frames of `nyu_depth_v2_labeled.mat`, whose arrays are (frame, [colour,] column, row) in HDF5.

    `depths` names the array to take depth from: `depths`, without holes, or `rawDepths`, with 0 in the holes. Every
    read opens the file again, which takes 1 ms, so that worker processes share no handle.
    """

    def __init__(self, path: Path, table: NDArray[np.uint8], normals: bool = False, depths: str = "depths"):
        super().__init__(table, normals)
        self.path = path
        self.arrays = ("images", "labels", depths)
        with self._open() as file:
            shapes = {name: getattr(file.get(name), "shape", ()) for name in self.arrays}
        frames, width, height = (*shapes["labels"], 0, 0, 0)[:3]
        if frames > MOST_SAMPLES or width * height > MOST_PIXELS:  # HDF5 need not store any of them
            raise InputError(
                f"{path} has {frames:,} frames of {height}x{width} pixels, expected at most {MOST_SAMPLES:,} of "
                f"{MOST_PIXELS:,} pixels: give the official file"
            )
        maps = (frames, width, height)
        for name, shape in zip(self.arrays, ((frames, 3, width, height), maps, maps), strict=True):
            if shapes[name] != shape or not frames:
                raise InputError(
                    f"{path} has '{name}' of shape {shapes[name] or 'none'}, expected images (N, 3, W, H), labels and "
                    f"{depths} (N, W, H), as many of each: give the official file"
                )
        self.indices = set(range(1, frames + 1))
        self.scenes = self._scenes()

    def _open(self) -> Any:
        try:
            return h5py.File(require_regular(self.path), "r")
        except OSError as error:
            raise InputError(f"{self.path} is not a complete MATLAB 7.3 file ({error}): copy it again") from error

    def _scenes(self) -> list[str] | None:
        """The name of each frame's scene; None if the file has no `scenes`."""
        names: list[str] = []
        with self._open() as file:
            if "scenes" not in file:
                return None
            with suppress(Exception):  # h5py raises many kinds of error for broken files
                if file["scenes"].size <= MOST_SAMPLES:
                    names = [_name(file[reference]) for reference in file["scenes"][:].flat]
        known = [name for name in names if name and name.isprintable()]
        if not len(known) == len(names) == len(self.indices):
            raise InputError(
                f"{self.path} has 'scenes' with {len(known) or 'no'} readable names, expected one for each of "
                f"{len(self.indices)} frames: copy it again"
            )
        return names

    def files(self, index: int) -> tuple[Path, ...]:
        return (self.path,)

    def where(self, index: int, part: str) -> str:
        return f"{self.path}, frame {index},"

    def id(self, index: int) -> str:
        return f"{self.path.name}#{index}"

    def group(self, index: int) -> str | None:
        return f"scene {self.scenes[index - 1]}" if self.scenes else None

    def raw(self, index: int) -> Raw:
        with self._open() as file:
            try:
                image, labels, depth = (file[name][index - 1] for name in self.arrays)
            except OSError as error:
                raise InputError(f"{self.path} is damaged at frame {index} ({error}): copy it again") from error
        return Raw(image.T, labels.T, depth.T)


def _name(letters: Any) -> str:
    return "".join(map(chr, letters[:].flat)) if letters.size <= LONGEST else ""
