"""Looking at what lies under a data path and reading images from it, with one clear sentence when it cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from afanet.errors import InputError


def require_path(root: Path | None, data_set: str, expected: str) -> Path:
    """`root` itself, if it is a file or a folder with something in it.

    >>> require_path(None, "nyuv2", "a folder with rgb/")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: data set 'nyuv2' reads files and got no path: give it with --data (a folder with rgb/)
    """
    if root is None:
        raise InputError(f"data set '{data_set}' reads files and got no path: give it with --data ({expected})")
    if not root.exists():
        raise InputError(f"data path '{root}' does not exist: give {expected} with --data")
    if root.is_dir() and not any(root.iterdir()):
        raise InputError(f"data path '{root}' is an empty folder: give {expected} with --data")
    return root


def other_layout(root: Path, data_set: str, expected: str) -> InputError:
    """An `InputError` for a path that holds something else than `data_set`, naming the first few things in it."""
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else ["no folder but a file"]
    found = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return InputError(
        f"data path '{root}' has not the layout of '{data_set}', found {found}: give {expected} with --data"
    )


def read_image(path: Path, mode: str | tuple[str, ...], meaning: str) -> NDArray[Any]:
    """The pixels of an image file: (H, W, 3) uint8, upright, where `mode` is "RGB", to which photos are converted.

    Any other mode, or a tuple of them, is what the file must have, since converting would change labels and depths. A
    file of another mode, that is missing or not whole raises `InputError` with its name.
    """
    modes = (mode,) if isinstance(mode, str) else mode
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            found = image.mode
            # Cameras write a photo as it fell on the chip, and how to turn it.
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGB") if mode == "RGB" else image)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except Exception as error:  # Pillow raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as an image ({error}): copy this {meaning} again") from error
    if mode == "RGB" and found.startswith(("I", "F")):
        raise InputError(f"{path} is an image of mode {found}, expected 8 bits a channel for a {meaning}: save it so")
    if mode != "RGB" and found not in modes:
        wanted = " or ".join(modes)
        raise InputError(f"{path} is an image of mode {found}, expected {wanted} for a {meaning}: save it so")
    return pixels
