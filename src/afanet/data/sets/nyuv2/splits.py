"""The official split of NYUv2 into training and test frames, `splits.mat`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from scipy.io import loadmat

from afanet.errors import InputError
from afanet.files import require_regular

MOST_BYTES = 2**18  # the official file has 3 kB; compressed data may grow a thousandfold
KEYS = ("trainNdxs", "testNdxs")


def read_splits(path: Path, frames: Collection[int]) -> tuple[list[int], list[int], list[str]]:
    """The 1-based `trainNdxs` and `testNdxs` of a `splits.mat` that are in `frames`, and a sentence for each other.

    Raises `InputError` for a file that is missing, damaged or something else, and if less than half of either split is
    in `frames`, since it is then the split of other frames.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: put the official split (trainNdxs, testNdxs) there")
    try:
        content = loadmat(require_regular(path, MOST_BYTES))
    except InputError:
        raise
    except Exception as error:  # SciPy raises many kinds of error for broken files
        raise InputError(f"{path} cannot be read as a MATLAB file ({error}): copy it again") from error
    if not set(KEYS) <= set(content):
        keys = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise InputError(f"{path} holds {keys}, expected trainNdxs and testNdxs: take the official splits.mat")
    train, test = (_indices(path, key, content[key].ravel(), frames) for key in KEYS)
    both = set(train) & set(test)
    if both:
        raise InputError(f"{path} has frame {min(both)} in trainNdxs and in testNdxs: take the official splits.mat")
    absent = [
        f"{path} has {index} in {key}, which is none of the {len(frames)} frames beside it: copy the frame again"
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
