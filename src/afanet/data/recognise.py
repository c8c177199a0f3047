"""Telling which data set lies at a path by what is in it."""

from __future__ import annotations

from pathlib import Path

from afanet.data.files import first_names
from afanet.errors import InputError
from afanet.paths import require_data

# For each data set, names of which any one gives it away.
MARKS = {
    "nyuv2": ("nyu_depth_v2_labeled.mat", "label40", "depth_mm", "gt_sets", "train/label", "val/label"),
    "adience": tuple(f"fold_{number}_data.txt" for number in range(5)),
    "cityscapes": ("leftImg8bit", "gtFine", "disparity"),
    "celeba": ("celeba/list_attr_celeba.txt", "list_attr_celeba.txt"),
    "pets": ("oxford-iiit-pet/annotations", "annotations/trimaps"),
}


def recognise(path: Path) -> str:
    """The name of the data set that lies at `path`.

    Raises `InputError` where nothing is there, or nothing that is known.
    """
    if path.suffix == ".mat" and path.is_file():
        return "nyuv2"
    require_data(path)
    for name, marks in MARKS.items():
        if any((path / mark).exists() for mark in marks):
            return name
    raise InputError(
        f"{path} has the layout of no known data set ({', '.join(MARKS)}), found {first_names(path)}: give a recipe, "
        "or make one with `afanet data init`"
    )
