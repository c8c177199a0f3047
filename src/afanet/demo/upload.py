"""A photo that somebody sent: looked at before it is unpacked, never kept."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from afanet.errors import InputError

MOST_BYTES = 20 * 2**20
MOST_PIXELS = 40_000_000
FORMATS = ("JPEG", "PNG", "WEBP")


def read_upload(content: bytes) -> NDArray[np.uint8]:
    """The photo in `content`, upright, as (H, W, 3) RGB.

    Its size is read from its head, so that a small file that would unpack to a huge picture is never unpacked. Raises
    `InputError` for what is no photo of the three forms, is animated, too large or not whole.

    >>> read_upload(b"MZ")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the file is no JPEG, PNG or WEBP picture: save it as one of these
    """
    if not content:
        raise InputError("the file is empty: choose a JPEG, PNG or WEBP picture")
    if len(content) > MOST_BYTES:
        raise InputError(f"the file has more than {MOST_BYTES // 2**20} MiB: make the picture smaller")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is below Pillow's own
            return _unpack(image)
    except Image.DecompressionBombError:
        raise _too_large("far more") from None
    except UnidentifiedImageError:
        raise InputError("the file is no JPEG, PNG or WEBP picture: save it as one of these") from None
    except InputError:
        raise
    except Exception as error:  # Pillow raises as many kinds as there are ways for a file to be broken
        raise InputError(f"the picture cannot be read ({error!s:.80}): save it again") from None


def _unpack(image: Image.Image) -> NDArray[np.uint8]:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(f"{width}x{height}")
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise InputError(f"the picture is animated, with {frames} frames: save one of them")
    if image.mode.startswith(("I", "F")):
        raise InputError(f"the picture is of mode {image.mode}, expected 8 bits a channel: save it so")
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _too_large(found: str) -> InputError:
    return InputError(f"the picture has {found} pixels, expected at most {MOST_PIXELS / 1e6:.0f} million: shrink it")
