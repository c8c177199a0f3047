"""Photo files become pixels: one reader for training, checking, inspecting, predicting and the demo page."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.limits import MOST_PIXELS
from afanet.picture_format import HEAD, format_of, is_lossless_jpeg

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
SUFFIXES = frozenset([".jpg", ".jpeg", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"])
NEVER_READ = re.compile("(?i)unsupported|unknown|not (yet )?(implemented|supported)")  # in Pillow's error messages
STRIP = 2**20  # pixels converted at a time: the conversion to RGB makes several copies of them
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations of pictures that lie on their side
COUNTED = 100  # most pages that are counted

Pixels = NDArray[np.uint8]
Read = TypeVar("Read")


def read_photo(path: str | Path) -> Pixels:
    """The pixels of a picture file, (H, W, 3) uint8 RGB, upright as its EXIF says.

    Transparent pixels are blended onto white, and 16 bits a channel become 8. An animation gives its first frame.
    Raises `InputError` for a file that is missing, empty, cut short or not a picture, that has several pages or
    floating-point pixels, or more than 64 million pixels.
    """
    with _opened(Path(path)) as stream:
        return decode_photo(stream, str(path))


def photo_size(path: str | Path) -> tuple[int, int]:
    """The (H, W) in pixels of a picture file, upright as its EXIF says; only the head of the file is read.

    Raises `InputError` as `read_photo` does, for what the head shows.
    """
    with _opened(Path(path)) as stream:
        return _decoded(stream, str(path), MOST_PIXELS, _upright_size)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        stream = require_regular(path).open("rb")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist, expected a picture") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from None
    with stream:  # given a path, Pillow maps an uncompressed TIFF into memory, and scrambles one that is to be turned
        if not stream.peek(1):
            raise InputError(f"{path} is empty (0 bytes), expected a picture: copy it again")
        yield stream


def _upright_size(image: Image.Image) -> tuple[int, int]:
    height, width = image.height, image.width
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # some versions of Pillow have turned it already
        height, width = image.tag_v2[TiffImagePlugin.IMAGELENGTH], image.tag_v2[TiffImagePlugin.IMAGEWIDTH]
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) in SIDEWAYS
    return (width, height) if turned else (height, width)


def decode_photo(file: BinaryIO, name: str, most_pixels: int = MOST_PIXELS) -> Pixels:
    """As `read_photo`, for an open file or the bytes of one, which messages call `name`.

    >>> import io
    >>> decode_photo(io.BytesIO(b"MZ"), "the upload")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the upload is not a picture that can be read, expected one of: JPEG, PNG, WEBP, TIFF, ...
    """

    def read(image: Image.Image) -> Pixels:
        _require_single(image, name)
        ImageOps.exif_transpose(image, in_place=True)
        return _as_rgb(image, name)

    return _decoded(file, name, most_pixels, read)


def _decoded(file: BinaryIO, name: str, most_pixels: int, read: Callable[[Image.Image], Read]) -> Read:
    try:
        with open_picture(file, name, FORMATS, most_pixels) as image:
            return read(image)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise unread(file, name, FORMATS) from error
    except Exception as error:  # Pillow raises many kinds of error for broken files
        if NEVER_READ.search(str(error)) or is_lossless_jpeg(first_bytes(file)):
            raise unread(file, name, FORMATS) from error
        raise InputError(f"{name} is cut short or broken ({error}): copy it again") from error


def unread(file: BinaryIO, name: str, formats: tuple[str, ...]) -> InputError:
    """An `InputError` for a file that has none of the `formats`, or a variant of one that cannot be read."""
    form = format_of(first_bytes(file))
    if form is None:
        return InputError(f"{name} is not a picture that can be read, expected one of: {', '.join(formats)}")
    if form.upper() in formats:
        return InputError(
            f"{name} is not a picture that can be read: a {form} that is broken or of a rare kind; save it as a PNG"
        )
    return InputError(
        f"{name} is {form}, which is not supported, expected one of: {', '.join(formats)}; save it as a PNG"
    )


def first_bytes(file: BinaryIO) -> bytes:
    """The head of an open file, from its beginning."""
    file.seek(0)
    return file.read(HEAD)


def to_pixels(image: str | Path | Image.Image | NDArray[np.uint8]) -> Pixels:
    """A path, a PIL image or an array (H, W), (H, W, 3) or (H, W, 4) uint8, as (H, W, 3) uint8 RGB.

    Raises `InputError` for anything else, and as `read_photo` does.

    >>> to_pixels(np.full((2, 2), 7, np.uint8))[0, 0].tolist()
    [7, 7, 7]
    """
    if isinstance(image, str | Path):
        return read_photo(image)
    if isinstance(image, Image.Image):
        _require_size(image, "the image", MOST_PIXELS)
        _require_single(image, "the image")
        return _as_rgb(ImageOps.exif_transpose(image), "the image")
    array = np.asarray(image)
    plain = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not plain or not array.size:
        raise InputError(
            f"an image is an array {array.shape} of {array.dtype}, expected (H, W), (H, W, 3) or (H, W, 4) of uint8"
        )
    picture = Image.fromarray(np.ascontiguousarray(array))
    _require_size(picture, "the array", MOST_PIXELS)
    return _as_rgb(picture, "the array")


@contextmanager
def open_picture(
    file: Path | BinaryIO, name: str, formats: tuple[str, ...], most_pixels: int = MOST_PIXELS
) -> Iterator[Image.Image]:
    """A picture file of which only the head has been read, so that a small file cannot unpack to a huge picture.

    Raises `InputError` for a picture of more than `most_pixels`, and Pillow's own errors for one that it cannot read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
        try:
            image = Image.open(file, formats=formats)
        except Image.DecompressionBombError:
            raise _too_large(name, "far more", most_pixels) from None
        with image:
            _require_size(image, name, most_pixels)
            yield image


def _require_size(image: Image.Image, name: str, most_pixels: int) -> None:
    width, height = image.size
    if not width * height:
        raise InputError(f"{name} is {height}x{width} pixels, expected at least one")
    if width * height > most_pixels:
        raise _too_large(name, f"{height}x{width}", most_pixels)


def _require_single(image: Image.Image, name: str) -> None:
    """Refuse the pages of a TIFF, which are different pictures; the frames of animations are views of one scene."""
    if image.format == "TIFF" and getattr(image, "is_animated", False):
        raise InputError(f"{name} has several pages ({_pages(image)}), expected one picture: save one of them as a PNG")


def _pages(image: Image.Image) -> str:
    """How many pages there are, counted up to `COUNTED`: `n_frames` may take hours."""
    for page in range(1, COUNTED):
        try:
            image.seek(page)
        except EOFError:
            return str(page)
    return f"{COUNTED} or more"


def _as_rgb(image: Image.Image, name: str) -> Pixels:
    """The pixels (H, W, 3), converted strip by strip, so that little more than the result is held in memory."""
    if image.mode == "F":
        raise InputError(f"{name} has floating-point pixels, expected 8 or 16 bits a channel: save it as a PNG")
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = _grey_of_16_bits(strip, name) if strip.mode.startswith("I") else _on_white(strip)
    return pixels


def _on_white(image: Image.Image) -> Pixels:
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _grey_of_16_bits(image: Image.Image, name: str) -> Pixels:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{name} has pixels of 32 bits, expected 8 or 16 bits a channel: save it as a PNG")
    grey = (values / 257).round().astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey[..., None]


def _too_large(name: str, size: str, most_pixels: int) -> InputError:
    return InputError(f"{name} has {size} pixels, expected at most {most_pixels:,}: resize it")
