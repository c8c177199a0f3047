"""Files of labels with a value for every pixel, read as they are: converting them would change labels and depths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.photo import open_picture
from afanet.picture_format import HEAD, format_of

# Formats whose compression can change the values.
LOSSY = frozenset(["JPEG", "JPEG 2000", "JPEG XL", "JPEG XR", "HEIC", "AVIF", "WebP"])


def read_image(path: Path, mode: str | tuple[str, ...], meaning: str) -> NDArray[Any]:
    """The pixels of a label map, as the file has them; photos are read by `afanet.photo.read_photo`.

    The file must be a PNG of the given mode, or one of several, because converting it would change labels and depths,
    as lossy formats do. A file of another format (whatever its suffix) or mode, that is missing or not whole, or that
    has more than 64 million pixels raises `InputError` with its name.
    """
    modes = (mode,) if isinstance(mode, str) else mode
    try:
        with open_picture(require_regular(path), str(path), ("PNG",)) as image:
            stored = image.mode
            pixels = np.array(image)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise _other_format(path, meaning, error) from None
    except Exception as error:  # Pillow raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{path} cannot be read as an image ({error}): copy this {meaning} again") from error
    if stored not in modes:
        wanted = " or ".join(modes)
        raise InputError(f"{path} is an image of mode {stored}, expected {wanted} for a {meaning}: save it so")
    return pixels


def palette_colours(path: Path, ids: Sequence[int]) -> list[list[int]] | None:
    """Red, green and blue of each id in the palette of a PNG.

    None for a file that has no palette, or has one that does not tell the ids apart or is grey as their numbers are,
    and for a file that cannot be read: the one who reads its pixels says why.
    """
    try:
        with open_picture(require_regular(path), str(path), ("PNG",)) as image:
            stored = (image.getpalette("RGB") or []) if image.mode == "P" else []
    except Exception:  # Pillow raises as many kinds as there are ways for a file to be broken
        return None
    palette = [stored[start : start + 3] for start in range(0, len(stored), 3)]
    if not ids or max(ids) >= len(palette):
        return None
    colours = [palette[number] for number in ids]
    distinct = len(set(map(tuple, colours))) == len(colours)
    return colours if distinct and colours != [[number] * 3 for number in ids] else None


def _other_format(path: Path, meaning: str, error: Exception) -> InputError:
    with path.open("rb") as file:
        form = format_of(file.read(HEAD))
    if form in (None, "PNG"):
        return InputError(f"{path} cannot be read as an image ({error}): copy this {meaning} again")
    why = ", whose compression can change the values" if form in LOSSY else ""
    return InputError(f"{path} is {form}{why}, expected a PNG for a {meaning}: save the original labels as a PNG")


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
