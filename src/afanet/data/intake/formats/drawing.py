"""Draws label files from shapes."""

from __future__ import annotations

import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.data.intake.formats.collected import RING, Collected
from afanet.data.intake.formats.shapes import draw_ring, draw_runs
from afanet.errors import InputError
from afanet.tasks.drawing.palette import palette

FOLDER = "segmentation"
MOST_IN_BYTES = 255  # classes, since 255 is void
MOST_CLASSES = 65_535


class Drawing:
    """Draws a mask for each labelled image: larger shapes first, so that smaller ones stay visible.

    `numbers` maps the number of each label to its class, 0 for background.
    """

    def __init__(self, collected: Collected, numbers: Mapping[int, int], colours: NDArray[np.uint8]) -> None:
        self.collected, self.numbers, self.colours = collected, numbers, colours
        collected.database.execute("create index if not exists by_image on shapes (image)")

    @contextmanager
    def written(self, folder: Path) -> Iterator[None]:
        """Write the label files into `folder/segmentation`, and remove them again if the block fails.

        Raises `InputError` if that folder exists or cannot be written.
        """
        require_absent(folder)
        target = folder / FOLDER
        partial = folder / f".{secrets.token_hex(4)}.partial"
        try:
            for image, height, width, name in self.collected.ask(
                "select id, height, width, mask from images where mask is not null"
            ):
                file = partial / PurePosixPath(name).relative_to(FOLDER)
                file.parent.mkdir(parents=True, exist_ok=True)
                self._draw(image, height, width).save(file, compress_type=zlib.Z_RLE)  # fast, and smaller for masks
            partial.rename(target)
            partial = target
            yield
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError):
                raise InputError(f"{target} cannot be written: {error.strerror}") from error
            raise

    def _draw(self, image: int, height: int, width: int) -> Image.Image:
        large = len(self.colours) > MOST_IN_BYTES
        mask = np.zeros((height, width), np.uint16 if large else np.uint8)
        query = "select label, form, box, data from shapes where image = ? order by layer, area desc, rowid"
        for label, form, box, data in self.collected.ask(query, image):
            if form == RING:
                draw_ring(mask, np.frombuffer(data, np.float64).reshape(-1, 2), self.numbers[label])
            else:
                top, left, rows, columns = map(int, box.split())
                runs = np.frombuffer(data, np.int64)
                draw_runs(mask, runs, (top, left, rows, columns), form, self.numbers[label])
        picture = Image.fromarray(mask)
        if not large:
            picture.putpalette(self.colours.tobytes() + bytes(3 * (255 - len(self.colours))) + b"\xff\xff\xff")
        return picture


def require_absent(folder: Path) -> None:
    """Raise `InputError` if label files already exist where new ones would be drawn."""
    if (folder / FOLDER).exists():
        raise InputError(
            f"{folder / FOLDER} exists and is never overwritten, and label files are to be drawn there: move it away"
        )


def class_colours(names: list[str], known: Mapping[str, tuple[int, int, int]]) -> NDArray[np.uint8]:
    """A colour for each class: black for the first, known colours, and new ones for the rest."""
    colours = np.concatenate([np.zeros((1, 3), np.uint8), palette(len(names) - 1)])
    for number, name in enumerate(names):
        colours[number] = known.get(name, colours[number])
    return colours


def mask_names(images: list[str]) -> list[str]:
    """The label file of each image, named after the image, without the folders that all images share.

    >>> mask_names(["images/a.jpg", "images/b.jpg", "images/b.png"])
    ['segmentation/a.png', 'segmentation/b.png', 'segmentation/b.png.png']
    """
    parents = [PurePosixPath(image).parent.parts for image in images]
    common = 0
    while all(len(parts) > common for parts in parents) and len({parts[common] for parts in parents}) == 1:
        common += 1
    taken: set[str] = set()
    names = []
    for image in images:
        path = PurePosixPath(FOLDER, *PurePosixPath(image).parts[common:])
        name = str(path.with_suffix(".png"))
        name = f"{path}.png" if name in taken else name
        taken.add(name)
        names.append(name)
    return names
