"""Looking at what lies under a data path and reading from it, with one clear sentence for what cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.limits import MOST_PIXELS
from afanet.paths import require_folder


def require_path(root: Path | None, data_set: str, expected: str) -> Path:
    """`root` itself, if it is a file or a folder with something in it.

    >>> require_path(None, "nyuv2", "a folder with rgb/")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: data set 'nyuv2' reads files and got no path: give it with --data, or as data.root in ...
    """
    if root is None:
        raise InputError(
            f"data set '{data_set}' reads files and got no path: give it with --data, or as data.root in a recipe "
            f"({expected})"
        )
    if not root.is_file():
        require_folder(root, expected)
    return root


def first_names(folder: Path) -> str:
    """The first few things in a folder, for a sentence on what was found."""
    names = sorted(path.name for path in folder.iterdir())
    return (", ".join(names[:4]) or "nothing") + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def other_layout(root: Path, data_set: str, expected: str) -> InputError:
    """An `InputError` for a path that holds something else than `data_set`, naming the first few things in it."""
    found = first_names(root) if root.is_dir() else "no folder but a file"
    return InputError(f"data path '{root}' has not the layout of '{data_set}', found {found}: give {expected}")


def read_image(path: Path, mode: str | tuple[str, ...], meaning: str) -> NDArray[Any]:
    """The pixels of an image file: (H, W, 3) uint8, upright, where `mode` is "RGB", to which photos are converted.

    Any other mode, or a tuple of them, is what the file must have, since converting would change labels and depths. A
    file of another mode, that is missing or not whole, or that has more than 64 million pixels raises `InputError` with
    its name.
    """
    modes = (mode,) if isinstance(mode, str) else mode
    try:
        with open_image(path, ("JPEG", "PNG")) as image:
            found = image.mode
            # Cameras write a photo as it fell on the chip, and how to turn it.
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB") if mode == "RGB" else image)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except InputError:
        raise
    except Exception as error:  # Pillow raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as an image ({error}): copy this {meaning} again") from error
    if mode == "RGB" and found.startswith(("I", "F")):
        raise InputError(f"{path} is an image of mode {found}, expected 8 bits a channel for a {meaning}: save it so")
    if mode != "RGB" and found not in modes:
        wanted = " or ".join(modes)
        raise InputError(f"{path} is an image of mode {found}, expected {wanted} for a {meaning}: save it so")
    return pixels


@contextmanager
def open_image(path: Path, formats: tuple[str, ...]) -> Iterator[Image.Image]:
    """An image file of which only the head has been read; raises `InputError` where its pixels would be too many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
        with Image.open(require_regular(path), formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                size = by((image.height, image.width))
                raise InputError(f"{path} has {size} pixels, expected at most {MOST_PIXELS:,}: resize it")
            yield image


def read_array(path: Path, meaning: str) -> NDArray[Any]:
    """The numbers in a `.npy` file; one that is missing, not whole, empty or of something else raises `InputError`."""
    try:
        values: Any = np.load(require_regular(path), allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except InputError:
        raise
    except Exception as error:  # NumPy raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as an array ({error!s:.80}): copy this {meaning} again") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif" or not values.size:
        raise InputError(f"{path} holds no plain array of numbers, expected a {meaning}: copy it again")
    return values


def by(shape: Sequence[int]) -> str:
    """A shape in a sentence.

    >>> by((480, 640))
    '480x640'
    """
    return "x".join(map(str, shape))


def require_shape(place: object, shape: Sequence[int], photo: object, expected: Sequence[int]) -> None:
    """Raises `InputError` unless the map that was read at `place` has the shape that goes with its photo."""
    if tuple(shape) != tuple(expected):
        raise InputError(f"{place} is {by(shape)} pixels, expected {by(expected)} as its photo {photo}: resize it")
