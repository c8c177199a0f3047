"""Pairs of overlapping handwritten digits, made from scikit-learn's digits: real images, nothing to download."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.data_set import DataSet
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.transforms import evaluation
from afanet.errors import InputError
from afanet.limits import MOST_SAMPLES
from afanet.tasks import Classification, Task

SPLITS = ("train", "test", "validation")  # a pair depends on the position of its split in this list
ORIGINALS = {"train": range(1437), "test": range(1437, 1797)}  # four fifths and one fifth, in scikit-learn's order
HELD_OUT = {"train": range(1149), "validation": range(1149, 1437)}  # again four fifths and one fifth
CANVAS, SHIFT = 12, 1  # pixels; a digit has 8x8


def open_digits(
    root: Path | None = None,
    size: Size = (32, 32),
    *,
    train_pairs: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 4000,
    test_pairs: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] = 1000,
    validation_pairs: Annotated[int, Field(ge=0, le=MOST_SAMPLES)] = 0,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Data:
    """Two digits on one canvas, to be classified: `left` (the upper left) and `right` (the lower right).

    The pairs are made like those of MultiMNIST (Sabour et al., NeurIPS 2017): two digits of different classes overlap,
    each moved at random by up to a pixel along both axes, and every pixel takes the brighter of the two. One digit is
    in the upper left and one in the lower right, as in the multi-task literature. The canvas of 12x12 pixels is resized
    to `size` = (H, W). A pair depends only on `seed`, split and index. The last 360 of the 1797 originals are used in
    test pairs only. With `validation_pairs`, the 288 before them are used in validation pairs only. Nothing is
    augmented: a mirrored digit is not a digit.

    >>> digits = open_digits(train_pairs=4, test_pairs=2)
    >>> digits.describe
    'digits: 4 training and 2 test pairs of seed 0, from 1437 and 360 digits, at 32x32'
    >>> sorted(digits.test[0]["targets"])
    ['left', 'right']
    """
    if root is not None:
        raise InputError(f"data set 'digits' comes with scikit-learn, found data path '{root}': leave --data out")
    originals = ORIGINALS | (HELD_OUT if validation_pairs else {})
    readers = {split: Pairs(seed, split, numbers) for split, numbers in originals.items()}
    classes = [str(digit) for digit in range(10)]
    tasks: dict[str, Task] = {side: Classification(side, classes) for side in ("left", "right")}
    for task in tasks.values():
        task.mirror = False
    counts = {"train": train_pairs, "validation": validation_pairs, "test": test_pairs}
    splits = {split: Split(reader, range(counts[split]), evaluation(size)) for split, reader in readers.items()}
    held = f", {validation_pairs} validation" if validation_pairs else ""
    made_of = [str(len(readers[split].images)) for split in counts if split in readers]
    return Data(
        train=splits["train"],
        validation=splits.get("validation"),
        test=splits["test"],
        tasks=tasks,
        describe=f"digits: {train_pairs} training{held} and {test_pairs} test pairs of seed {seed}, from "
        f"{', '.join(made_of[:-1])} and {made_of[-1]} digits, at {size[0]}x{size[1]}",
    )


class Pairs(Reader):
    """Reader of the endless series of pairs that `seed`, the split's name and its `originals` determine."""

    def __init__(self, seed: int, split: str, originals: range | None = None):
        from sklearn.datasets import load_digits

        self.seed = seed
        self.split = split
        self.originals = ORIGINALS[split] if originals is None else originals
        bundled = load_digits()
        chosen = slice(self.originals.start, self.originals.stop)
        self.images: NDArray[np.uint8] = (bundled.images[chosen] * 255 / 16).round().astype(np.uint8)
        self.labels: NDArray[np.int64] = bundled.target[chosen].astype(np.int64)

    def values(self, index: int) -> dict[str, Tensor]:
        return self._values(*self._pair(index)[1:])

    def _pair(self, index: int) -> tuple[np.random.Generator, int, int]:
        """A pair's random generator after choosing the numbers of the two digits, and these numbers."""
        rng = np.random.default_rng([self.seed, SPLITS.index(self.split), index])
        left = rng.integers(len(self.labels))
        return rng, int(left), int(rng.choice(np.flatnonzero(self.labels != self.labels[left])))

    def _values(self, left: int, right: int) -> dict[str, Tensor]:
        return {"left": torch.tensor(self.labels[left]), "right": torch.tensor(self.labels[right])}

    def __call__(self, index: int) -> Sample:
        rng, left, right = self._pair(index)
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        for digit, corner, inwards in ((left, 0, 1), (right, CANVAS - 8, -1)):
            row, column = corner + inwards * rng.integers(SHIFT, size=2, endpoint=True)
            window = canvas[row : row + 8, column : column + 8]
            np.maximum(window, self.images[digit], out=window)
        return {
            "image": tv_tensors.Image(torch.from_numpy(canvas).repeat(3, 1, 1)),
            "targets": self._values(left, right),
            "id": f"digits/{self.split}/{self.seed}/{index}:{self.originals[left]}+{self.originals[right]}",
        }


DATA_SET = DataSet(
    open=open_digits,
    licence="CC BY 4.0 (Optical Recognition of Handwritten Digits, UCI Machine Learning Repository)",
)
