"""Photos of any size and mode as pixels, and as a network takes them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.limits import MOST_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
SUFFIXES = frozenset([".jpg", ".jpeg", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"])
VIDEOS = frozenset([".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"])
COUNTED = 100  # frames at most

Pixels = NDArray[np.uint8]


def find_photos(inputs: Sequence[str | Path], leave_out: Path | None = None) -> tuple[list[Path], list[str]]:
    """The files that `inputs` name, each once and in order, and a sentence for every input that names none.

    A folder stands for all pictures and videos in it and below, in alphabetical order, but for hidden ones and for what
    lies in `leave_out`; a pattern with `*`, `?` or `[]` for what matches it.

    >>> find_photos(["no/such.png"])
    ([], ['no/such.png does not exist, expected a picture, a video, a folder or a pattern'])
    """
    found: dict[Path, None] = {}
    faults = []
    for given in map(Path, inputs):
        try:
            if given.exists():
                matches = [given]
            elif any(sign in str(given) for sign in "*?["):
                matches = sorted(Path(given.anchor).glob(str(given.relative_to(given.anchor))))
            else:
                matches = None
        except (OSError, ValueError) as error:
            faults.append(f"{given} cannot be looked for ({error}), expected a path or a pattern such as trip/*.jpg")
            continue
        if matches is None:
            faults.append(f"{given} does not exist, expected a picture, a video, a folder or a pattern")
            continue
        files = [file for match in matches for file in (_below(match, leave_out) if match.is_dir() else [match])]
        if not files:
            faults.append(f"{given} has no picture or video in it, expected {', '.join(sorted(SUFFIXES | VIDEOS))}")
        found |= dict.fromkeys(files)
    return list(found), faults


def _below(folder: Path, leave_out: Path | None) -> list[Path]:
    # Not by `resolve`, which raises for a link that leads to itself.
    hidden = [Path(os.path.realpath(leave_out))] if leave_out else []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES | VIDEOS and file.is_file()
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not any(file.resolve().is_relative_to(place) for place in hidden)
    )


def read_photo(path: str | Path) -> Pixels:
    """The pixels of a picture file, (H, W, 3) uint8 RGB, upright as its EXIF says.

    What is transparent lies on white, and 16 bits a channel become 8. Raises `InputError` for a file that is missing,
    empty, cut short or no picture, for an animation and for one of more than 64 million pixels.
    """
    path = Path(path)
    try:
        if require_regular(path).stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes), expected a picture: copy it again")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist, expected a picture") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return decode_photo(path, str(path))


def decode_photo(
    file: Path | BinaryIO, place: str, formats: tuple[str, ...] = FORMATS, most_pixels: int = MOST_PIXELS
) -> Pixels:
    """As `read_photo`, of a file or what was read from one, called `place` in what is said of it, in one of `formats`.

    Its size is read from its head, so that a small file that would unpack to a huge picture is never unpacked.

    >>> import io
    >>> decode_photo(io.BytesIO(b"MZ"), "the upload", ("PNG",))
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the upload is no picture that can be read, expected one of: PNG
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            with Image.open(file, formats=formats) as image:
                return _upright(image, place, most_pixels)
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(place, "far more", most_pixels) from None
    except UnidentifiedImageError:
        raise InputError(f"{place} is no picture that can be read, expected one of: {', '.join(formats)}") from None
    except Exception as error:  # Pillow raises as many kinds as there are ways for a file to be broken
        raise InputError(f"{place} is cut short or broken ({error}): copy it again") from error


def to_pixels(image: str | Path | Image.Image | NDArray[np.uint8]) -> Pixels:
    """A path, a PIL image or an array (H, W), (H, W, 3) or (H, W, 4) uint8, as (H, W, 3) uint8 RGB.

    Raises `InputError` for anything else, and as `read_photo` does.

    >>> to_pixels(np.full((2, 2), 7, np.uint8))[0, 0].tolist()
    [7, 7, 7]
    """
    if isinstance(image, str | Path):
        return read_photo(image)
    if isinstance(image, Image.Image):
        return _upright(image, "the image")
    array = np.asarray(image)
    plain = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not plain or not array.size:
        raise InputError(
            f"an image is an array {array.shape} of {array.dtype}, expected (H, W), (H, W, 3) or (H, W, 4) of uint8"
        )
    return _upright(Image.fromarray(np.ascontiguousarray(array)), "the array")


def prepare(pixels: Pixels, size: tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """A photo (H, W, 3) as a network takes it, (3, *size) float32: resized, never cropped, and normalised.

    Bilinear, antialiased where it shrinks; each channel is (value / 255 - mean) / std. The same within one of 255 grey
    levels as the networks were scored on.

    >>> prepare(np.full((4, 4, 3), 255, np.uint8), (2, 3), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))[:, 0, 0].tolist()
    [2.0, 2.0, 2.0]
    """
    height, width = size
    if pixels.shape[:2] != size:
        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
    values = (pixels.astype(np.float32) / 255 - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _upright(image: Image.Image, place: str, most_pixels: int = MOST_PIXELS) -> Pixels:
    width, height = image.size
    if not width * height:
        raise InputError(f"{place} is {height}x{width} pixels, expected at least one")
    if width * height > most_pixels:
        raise _too_large(place, f"{height}x{width}", most_pixels)
    if getattr(image, "is_animated", False) and image.format != "MPO":  # which cameras write, with the photo first
        frames = _frames(image)
        raise InputError(f"{place} is an animation or has several pages ({frames} frames): save one of them as a PNG")
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        return _from_16_bits(np.asarray(turned), place)
    if turned.mode == "F":
        raise InputError(f"{place} has floating-point pixels, expected 8 or 16 bits a channel: save it as a PNG")
    if turned.has_transparency_data:
        white = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(white, turned.convert("RGBA"))
    return np.array(turned.convert("RGB"))


def _frames(image: Image.Image) -> str:
    """How many frames there are, so far as that is found quickly: `n_frames` may take hours."""
    for frame in range(1, COUNTED):
        try:
            image.seek(frame)
        except EOFError:
            return str(frame)
    return f"{COUNTED} or more"


def _from_16_bits(grey: NDArray[np.integer], place: str) -> Pixels:
    if grey.min() < 0 or grey.max() > 65535:
        raise InputError(f"{place} has pixels of 32 bits, expected 8 or 16 bits a channel: save it as a PNG")
    return np.repeat((grey / 257).round().astype(np.uint8)[..., None], 3, axis=2)


def _too_large(place: str, found: str, most_pixels: int) -> InputError:
    return InputError(f"{place} has {found} pixels, expected at most {most_pixels:,}: resize it")
