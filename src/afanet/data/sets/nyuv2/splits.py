"""The official split of NYUv2 into frames for training and for testing, `splits.mat`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scipy.io import loadmat

from afanet.errors import InputError
from afanet.files import require_regular

MOST_BYTES = 2**18  # the official file has 3 kB, and what is packed may unpack to a thousand times as much
KEYS = ("trainNdxs", "testNdxs")


def read_splits(path: Path, frames: Collection[int]) -> tuple[list[int], list[int], list[str]]:
    """Those 1-based `trainNdxs` and `testNdxs` of a `splits.mat` that are among `frames`, a sentence for each other.

    Raises `InputError` for a file that is missing, not whole or of something else, and for one of other frames: if less
    than half of either split is there.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: put the official split (trainNdxs, testNdxs) there")
    try:
        content = loadmat(require_regular(path, MOST_BYTES))
    except InputError:
        raise
    except Exception as error:  # SciPy raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as a MATLAB file ({error}): copy it again") from error
    if not set(KEYS) <= set(content):
        found = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise InputError(f"{path} holds {found}, expected trainNdxs and testNdxs: take the official splits.mat")
    train, test = (_indices(path, key, content[key].ravel(), frames) for key in KEYS)
    both = set(train) & set(test)
    if both:
        raise InputError(f"{path} has frame {min(both)} in trainNdxs and in testNdxs: take the official splits.mat")
    absent = [
        f"{path} has {index} in {key}, and none of the {len(frames)} frames beside it is that: copy the frame again"
        for key, indices in zip(KEYS, (train, test), strict=True)
        for index in indices
        if index not in frames
    ]
    return [index for index in train if index in frames], [index for index in test if index in frames], absent


def _indices(path: Path, key: str, values: NDArray[Any], frames: Collection[int]) -> list[int]:
    numbers = values.tolist()
    odd = [number for number in numbers if values.dtype.kind not in "uif" or number < 1 or number % 1]
    absent = [number for number in numbers if number not in frames]
    if not numbers or odd or len(absent) > len(numbers) / 2:
        raise InputError(
            f"{path} has {[*odd, *absent, 'nothing'][0]} in {key}, expected indices of the {len(frames)} frames beside "
            f"it: take the splits.mat that belongs to them"
        )
    return [int(number) for number in numbers]
