"""Pictures that hold labels: class ids, colours, distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.photo import open_picture
from afanet.picture_format import HEAD, format_of

# Formats whose compression can change the values.
LOSSY = frozenset(["JPEG", "JPEG 2000", "JPEG XL", "JPEG XR", "HEIC", "AVIF", "WebP"])
LOSSY_IN_TIFF = {"jpeg": "JPEG", "tiff_jpeg": "JPEG", "webp": "WebP"}
READ = ("PNG", "TIFF", "BMP")  # formats that keep every value

Read = TypeVar("Read")


@dataclass(frozen=True)
class Coloured:
    """The colours of a picture's pixels, each as red + 256 green + 65536 blue.

    `values` (H, W) are these numbers, uint32. With a `palette` (256,) of such numbers, `values` are its indices, uint8.
    """

    values: NDArray[np.unsignedinteger]
    palette: NDArray[np.uint32] | None = None

    @property
    def keys(self) -> NDArray[np.unsignedinteger]:
        """The number of each pixel's colour, (H, W)."""
        return self.values if self.palette is None else self.palette[self.values]


def read_image(
    path: Path, mode: str | tuple[str, ...], meaning: str, formats: tuple[str, ...] = ("PNG",)
) -> NDArray[Any]:
    """The pixels of a label map, as the file stores them; photos are read by `afanet.photo.read_photo`.

    The file must have one of the `formats` and the given mode, or one of the given modes, because a conversion would
    change labels and depths, as lossy formats do. Pixels of 1 bit (mode 1) become 0 and 255. Raises `InputError`, which
    names the file, for another format (whatever the suffix) or mode, for a file that is missing, incomplete, has
    several pages or more than 64 million pixels.
    """
    modes = (mode,) if isinstance(mode, str) else mode

    def read(image: Image.Image) -> NDArray[Any]:
        if ("I;16" if image.mode == "I;16B" else image.mode) not in modes:
            raise _other_mode(path, image, modes, meaning)
        pixels = np.array(image.convert("L") if image.mode == "1" else image)
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)

    return _read(path, meaning, formats, read)


def read_colours(path: Path, meaning: str) -> Coloured:
    """The colours of a label map, as the file stores them: RGB, from a palette, or grey.

    Raises `InputError` as `read_image` does, and for a file with transparent pixels.
    """

    def read(image: Image.Image) -> Coloured:
        if image.mode == "P":
            image.load()
            stored = np.array(image.getpalette("RGB") or [], np.uint32).reshape(-1, 3)[:256]
            palette = np.zeros(256, np.uint32)
            palette[: len(stored)] = packed(stored)
            return Coloured(np.array(image), palette)
        if image.mode in ("L", "1"):
            return Coloured(np.array(image.convert("L")), np.arange(256, dtype=np.uint32) * 0x010101)
        if image.mode not in ("RGB", "RGBA"):
            raise _other_mode(path, image, ("RGB", "P", "L"), meaning)
        four = np.frombuffer(image.tobytes("raw", "RGBX" if image.mode == "RGB" else "RGBA"), "<u4")
        if image.mode == "RGBA" and (seen_through := np.count_nonzero(four < 0xFF000000)):
            raise InputError(
                f"{path} has {seen_through} pixel{'s that are' if seen_through > 1 else ' that is'} not opaque, "
                f"expected RGB for a {meaning}: save it without an alpha channel"
            )
        return Coloured((four & np.uint32(0xFFFFFF)).reshape(image.height, image.width))

    return _read(path, meaning, READ, read)


def packed(colours: NDArray[Any]) -> NDArray[np.uint32]:
    """Red, green and blue (..., 3) from 0 to 255 as one number each, (...).

    >>> packed(np.array([[1, 2, 3]])).tolist() == [1 + 256 * 2 + 65536 * 3]
    True
    """
    red, green, blue = (colours[..., part].astype(np.uint32) for part in range(3))
    keys: NDArray[np.uint32] = red | green << np.uint32(8) | blue << np.uint32(16)
    return keys


def unpacked(key: int) -> list[int]:
    """Red, green and blue of a number that `packed` made.

    >>> unpacked(1 + 256 * 2 + 65536 * 3)
    [1, 2, 3]
    """
    return [key & 255, key >> 8 & 255, key >> 16 & 255]


def palette_colours(path: Path, ids: Sequence[int]) -> list[list[int]] | None:
    """Red, green and blue of each id in the palette of a picture.

    None if the file has no palette, if the palette gives two ids one colour or is just the grey levels of the ids, and
    if the file cannot be read: whoever reads its pixels reports why.
    """
    try:
        with open_picture(require_regular(path), str(path), READ) as image:
            stored = (image.getpalette("RGB") or []) if image.mode == "P" else []
    except Exception:  # Pillow raises many kinds of error for broken files
        return None
    palette = [stored[start : start + 3] for start in range(0, len(stored), 3)]
    if not ids or min(ids) < 0 or max(ids) >= len(palette):
        return None
    colours = [palette[number] for number in ids]
    distinct = len(set(map(tuple, colours))) == len(colours)
    return colours if distinct and colours != [[number] * 3 for number in ids] else None


def _read(path: Path, meaning: str, formats: tuple[str, ...], read: Callable[[Image.Image], Read]) -> Read:
    try:
        # Given a path, Pillow maps an uncompressed TIFF into memory, and scrambles one that is to be turned.
        with require_regular(path).open("rb") as stream, open_picture(stream, str(path), formats) as image:
            _require_exact(image, path, meaning)
            return read(image)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except InputError:
        raise
    except UnidentifiedImageError:
        raise _other_format(path, meaning, formats) from None
    except Exception as error:  # Pillow raises many kinds of error for broken files
        raise InputError(f"{path} cannot be read as an image ({error}): copy this {meaning} again") from error


def _require_exact(image: Image.Image, path: Path, meaning: str) -> None:
    if image.format != "TIFF":
        return
    if getattr(image, "is_animated", False):
        raise InputError(f"{path} has several pages, expected one for a {meaning}: save one of them as a PNG")
    if lossy := LOSSY_IN_TIFF.get(str(image.info.get("compression"))):
        raise InputError(
            f"{path} is a TIFF with {lossy} compression, which can change the values, expected a {meaning} stored "
            "without loss: save the original labels as a PNG"
        )


def _other_mode(path: Path, image: Image.Image, modes: Sequence[str], meaning: str) -> InputError:
    wanted = " or ".join(mode for mode in modes if mode not in ("I", "F") or image.format == "TIFF")
    return InputError(f"{path} is an image of mode {image.mode}, expected {wanted} for a {meaning}: save it in this")


def _other_format(path: Path, meaning: str, formats: tuple[str, ...]) -> InputError:
    with path.open("rb") as file:
        form = format_of(file.read(HEAD))
    if form is None or form in formats:
        said = f"cannot identify image file {str(path)!r}"
        return InputError(f"{path} cannot be read as an image ({said}): copy this {meaning} again")
    why = ", whose compression can change the values" if form in LOSSY else ""
    wanted = f"a {', '.join(formats[:-1])} or {formats[-1]}" if len(formats) > 1 else f"a {formats[0]}"
    return InputError(f"{path} is {form}{why}, expected {wanted} for a {meaning}: save the original labels as a PNG")
