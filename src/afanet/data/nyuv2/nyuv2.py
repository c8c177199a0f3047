"""NYUv2 (Silberman et al., ECCV 2012): indoor frames with segmentation and depth, from either of two layouts."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from afanet.data.files import other_layout, require_path
from afanet.data.nyuv2.frames import FOLDERS, Folders, MatFile
from afanet.data.sample import Data, Size, Split
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.tasks import Depth, Segmentation

MAT_NAME = "nyu_depth_v2_labeled.mat"
EXPECTED = f"a folder with {', '.join(f'{folder}/' for folder in FOLDERS)} and splits.mat, or {MAT_NAME} and splits.mat"
VOID = 255


def open_nyuv2(
    root: Path | None = None,
    size: Size = (288, 384),
    *,
    classes: Literal[13, 40] = 40,
    augment: bool = True,
) -> Data:
    """NYUv2 with `segmentation` into 40 or 13 classes and `depth` in metres, split as `splits.mat` says (795 and 654).

    `root` is a folder with `rgb/NNNN.jpg`, `label40/NNNN.png` (0 void, 1..40) and `depth_mm/NNNN.png`, or the official
    `nyu_depth_v2_labeled.mat` (894 classes, mapped by the package's tables) or its folder. `splits.mat` lies beside.
    Truth is resized to `size` = (H, W) by nearest, and scores are at that resolution.
    """
    root = require_path(root, "nyuv2", EXPECTED)
    frames: Folders | MatFile
    if any((root / folder).is_dir() for folder in FOLDERS):
        frames, source = Folders(root, label_table("classes40", classes)), "folders"
    elif root.is_file() or (root / MAT_NAME).is_file():
        path, root = (root, root.parent) if root.is_file() else (root / MAT_NAME, root)
        frames, source = MatFile(path, label_table("classes894", classes)), path.name
    else:
        raise other_layout(root, "nyuv2", EXPECTED)
    train, test = read_splits(root / "splits.mat", frames.indices)
    names = tables()["classes13"] if classes == 13 else [name for name, _ in tables()["classes40"]]
    return Data(
        train=Split(frames, train, training(size, zoom=1.5, augment=augment)),
        test=Split(frames, test, evaluation(size)),
        tasks={"segmentation": Segmentation(names, void=VOID), "depth": Depth(10.0)},
        describe=f"nyuv2: {len(train)} training and {len(test)} test frames from {source}, "
        f"{classes} classes and depth, at {size[0]}x{size[1]}",
    )


@cache
def tables() -> dict[str, Any]:
    """The official class names and maps: `classes13`: names, `classes40` and `classes894`: [name, id in the coarser].

    >>> tables()["classes40"][:2], tables()["classes13"][11]
    ([['wall', 12], ['floor', 5]], 'wall')
    """
    text = resources.files("afanet.data.nyuv2").joinpath("classes.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def label_table(source: Literal["classes40", "classes894"], classes: Literal[13, 40]) -> NDArray[np.uint8]:
    """The class 0..classes-1 of every id in the files, where id 0 is void, 255 here.

    >>> label_table("classes40", 13)[:3].tolist(), len(label_table("classes894", 40))
    ([255, 11, 4], 895)
    """
    to40 = [coarser for _, coarser in tables()["classes894"]] if source == "classes894" else range(1, 41)
    to13 = [coarser for _, coarser in tables()["classes40"]]
    ids = to40 if classes == 40 else [to13[i - 1] for i in to40]
    return np.array([VOID, *(i - 1 for i in ids)], np.uint8)


def read_splits(path: Path, frames: set[int]) -> tuple[list[int], list[int]]:
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
        if values.size == 0 or values.dtype.kind not in "uif" or not set(values.tolist()) <= frames:
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
