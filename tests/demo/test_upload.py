"""What is sent as a photo: read if it is one, refused in a sentence if not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from afanet.demo import upload
from afanet.demo.upload import read_upload
from afanet.errors import InputError
from afanet.photo import decode_photo


def huge(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "RGB", "1", "LA", "CMYK"])
def test_any_mode_of_8_bits_comes_as_rgb(mode: str, photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    found = read_upload(as_file(Image.fromarray(photo).convert(mode), form))
    assert (found.shape, found.dtype) == ((50, 70, 3), np.uint8)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_any_format_that_training_reads_is_taken(form: str, photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    content = as_file(photo, form, lossless=True)
    assert np.array_equal(read_upload(content), decode_photo(io.BytesIO(content), "it"))


def test_a_photo_that_lies_on_its_side_is_set_upright(photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter to the right
    found = read_upload(as_file(photo, exif=turned))
    assert np.array_equal(found, np.rot90(photo, -1))


@pytest.mark.parametrize("size", [(6000, 5400), (9000, 9000), (30000, 30000), (2_000_000_000, 2)])
def test_a_picture_that_would_unpack_to_a_huge_one_is_refused_unread(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="expected at most 32,000,000: resize it"):
        read_upload(huge(*size))


def test_what_is_no_single_whole_photo_is_refused_in_a_sentence(
    photo: np.ndarray, as_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = as_file(photo)
    pages = as_file(photo, "TIFF", save_all=True, append_images=[Image.fromarray(255 - photo)])
    for content, words in {
        b"": "the file is empty",
        b"<svg onload=alert(1)>": "the file is SVG, which is not supported",
        as_file(photo, "EPS"): "the file is PostScript .EPS., which is not supported",
        whole[: len(whole) // 2]: "cut short or broken",
        pages: r"has several pages \(2\)",
    }.items():
        with pytest.raises(InputError, match=words):
            read_upload(content)
    monkeypatch.setattr(upload, "MOST_BYTES", len(whole) - 1)
    with pytest.raises(InputError, match="MiB: make the picture smaller"):
        read_upload(whole)
