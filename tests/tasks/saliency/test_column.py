"""Files of saliency: masks, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.saliency.column import SaliencyColumn

MASK = np.array([[0, 255], [255, 0]], np.uint8)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".npy"])
def test_masks_of_any_format(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{ending}"
    np.save(file, MASK) if ending == ".npy" else Image.fromarray(MASK).save(file)
    read = SaliencyColumn().read(file)
    assert (read.dtype, read.tolist()) == (torch.int8, [[[0, 1], [1, 0]]])


def test_void_is_neither(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 128, 255]], np.uint8)).save(tmp_path / "a.png")
    assert declare(SaliencyColumn, {"void": 128}, "x").read(tmp_path / "a.png").tolist() == [[[0, -1, 1]]]


def test_probabilities_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 90, 255, 90]], np.uint8)).save(tmp_path / "a.png")
    message = (
        r"a\.png has the value 90 at 2 pixels, expected 0 \(off\), 1 or 255 \(on\): a probability is no label, so save "
        "255 where it is above one half and 0 elsewhere; or declare `void`"
    )
    with pytest.raises(InputError, match=message):
        SaliencyColumn().read(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.float32([[0.25, 1]]))
    with pytest.raises(InputError, match=r"a\.npy has the value 0.25 at 1 pixels"):
        SaliencyColumn().read(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((2, 2, 1)))
    with pytest.raises(InputError, match=r"a\.npy has the shape \(2, 2, 1\), expected \(H, W\)"):
        SaliencyColumn().read(tmp_path / "a.npy")
