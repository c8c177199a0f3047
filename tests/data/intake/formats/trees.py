"""Images and annotation files, written by the tests themselves, and the masks that come of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.data.intake.contents import Contents
from afanet.data.intake.formats import read_annotations

HEIGHT, WIDTH = 20, 30
SQUARE = [4.0, 3.0, 14.0, 3.0, 14.0, 9.0, 4.0, 9.0]  # columns 4 to 13, rows 3 to 8


def photos(folder: Path, names: Iterable[str], size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    """Write images of height and width, of noise."""
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(folder / name)


def write(file: Path, value: Any) -> Path:
    """Write JSON, or text as it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return file


def contents_of(path: Path) -> Contents:
    contents = read_annotations(path)
    assert contents is not None
    return contents


def masks_of(folder: Path) -> dict[str, NDArray[Any]]:
    """The masks of each image by the annotation files in a folder, as they are written."""
    contents = contents_of(folder)
    assert contents.masks is not None
    with contents.masks.written(folder):
        cells = contents.columns["segmentation"].cells
        masks = {image: np.array(Image.open(folder / cell)) for image, cell in cells.items()}
    shutil.rmtree(folder / "segmentation")
    return masks


def rectangle(top: int, left: int, bottom: int, right: int, value: int = 1) -> NDArray[Any]:
    """A mask with `value` in the rows from `top` and the columns from `left` on."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def coco(
    images: Iterable[str] = ("a.png",), annotations: Iterable[Any] = (), categories: Iterable[Any] = ((1, "cat"),)
) -> dict[str, Any]:
    """A COCO file: annotations are (image's number, category's id, segmentation) or whole."""
    return {
        "info": {"description": "test"},
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH} for number, name in enumerate(images)
        ],
        "annotations": [
            one
            if isinstance(one, dict)
            else dict(zip(("id", "image_id", "category_id", "segmentation"), (number, *one), strict=True))
            for number, one in enumerate(annotations)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }
