"""The official split of NYUv2 into frames for training and for testing, `splits.mat`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from scipy.io import loadmat

from afanet.errors import InputError


def read_splits(path: Path, frames: Collection[int]) -> tuple[list[int], list[int]]:
    """The 1-based indices `trainNdxs` and `testNdxs` of a `splits.mat`, all of which must be among `frames`."""
    if not path.is_file():
        raise InputError(f"{path} is missing: put the official split (trainNdxs, testNdxs) there")
    try:
        content = loadmat(path)
    except Exception as error:  # SciPy raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as a MATLAB file ({error}): copy it again") from error
    missing = [key for key in ("trainNdxs", "testNdxs") if key not in content]
    if missing:
        found = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise InputError(f"{path} holds {found}, expected trainNdxs and testNdxs: take the official splits.mat")
    splits = []
    for key in ("trainNdxs", "testNdxs"):
        values = content[key].ravel()
        if values.size == 0 or values.dtype.kind not in "uif" or not set(values.tolist()) <= set(frames):
            stray = next((value for value in values.tolist() if value not in frames), "nothing")
            raise InputError(
                f"{path} has {stray} in {key}, expected indices of the {len(frames)} frames beside it: "
                f"take the splits.mat that belongs to them"
            )
        splits.append([int(value) for value in values])
    both = set(splits[0]) & set(splits[1])
    if both:
        raise InputError(f"{path} has frame {min(both)} in trainNdxs and in testNdxs: take the official splits.mat")
    return splits[0], splits[1]
