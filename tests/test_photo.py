"""Photos of every kind become the pixels a person sees, and what is none is said."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from afanet import photo
from afanet.errors import InputError
from afanet.photo import decode_photo, read_photo, to_pixels
from afanet.picture_format import SIGNATURES, format_of, is_lossless_jpeg

from .bounds import bounded

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("mode", "colour", "seen"),
    [
        ("L", 100, [100] * 3),
        ("1", 1, [255] * 3),
        ("RGBA", (200, 0, 0, 0), [255] * 3),
        ("RGBA", (200, 0, 0, 255), [200, 0, 0]),
        ("RGBA", (0, 0, 0, 51), [204] * 3),
        ("LA", (0, 51), [204] * 3),
        ("I;16", 100 * 257, [100] * 3),
        ("RGB", (1, 2, 3), [1, 2, 3]),
    ],
)
def test_every_mode_is_seen_as_a_person_sees_it(mode: str, colour: object, seen: list[int], tmp_path: Path) -> None:
    Image.new(mode, (3, 2), colour).save(tmp_path / "a.png")
    assert (read_photo(tmp_path / "a.png") == seen).all()


def test_palettes_with_and_without_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 1, 2, 3])
    image.putdata([0, 1])
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", transparency=1)
    assert read_photo(tmp_path / "a.png").tolist() == [[[9, 8, 7], [1, 2, 3]]]
    assert read_photo(tmp_path / "b.png").tolist() == [[[9, 8, 7], [255, 255, 255]]]


def test_a_transparent_grey_of_16_bits_is_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257, 514]], np.uint16)).save(tmp_path / "a.png", transparency=257)
    assert read_photo(tmp_path / "a.png")[0, :, 0].tolist() == [0, 255, 2]


def test_pictures_of_more_than_one_strip_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = to_pixels(PIXELS)
    for pixels in (1, 7, 20):
        monkeypatch.setattr(photo, "STRIP", pixels)
        assert (to_pixels(PIXELS) == whole).all()


@pytest.mark.parametrize(("orientation", "turned"), [(1, PIXELS), (3, PIXELS[::-1, ::-1]), (6, np.rot90(PIXELS, -1))])
def test_a_photo_is_turned_as_its_camera_says(orientation: int, turned: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    assert (read_photo(tmp_path / "a.png") == turned).all()
    assert (to_pixels(Image.open(tmp_path / "a.png")) == turned).all()


def test_an_image_that_was_given_stays_as_it_is() -> None:
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = 6
    assert to_pixels(image).shape == (7, 5, 3)
    assert (np.asarray(image) == PIXELS).all()
    assert image.getexif()[0x0112] == 6


def test_arrays_and_images_are_photos_too() -> None:
    assert (to_pixels(PIXELS) == PIXELS).all()
    assert (to_pixels(Image.fromarray(PIXELS)) == PIXELS).all()
    for wrong in (PIXELS / 255, PIXELS[:0], np.zeros((2, 2, 2, 3), np.uint8)):
        with pytest.raises(InputError, match="expected \\(H, W\\)"):
            to_pixels(wrong)


def bomb() -> bytes:
    """A PNG of a few bytes that says it is 60000x60000."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99)) + chunk(b"IEND", b"")
    )


def animation(form: str) -> bytes:
    stream = io.BytesIO()
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    first.save(stream, form, save_all=True, append_images=[second], lossless=True)
    return stream.getvalue()


def cut_short(form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, form)
    return stream.getvalue()[:-2000]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"no picture at all", "is not a picture"),
        (cut_short("PNG"), "cut short"),
        (cut_short("JPEG"), "cut short"),
        (bomb(), "at most 64,000,000"),
        (animation("TIFF"), "several pages .2., expected one picture"),
    ],
)
def test_what_is_no_photo_is_said_with_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=f"a.png .*{said}"):
        read_photo(tmp_path / "a.png")


def jpeg_of_frame(marker: int) -> bytes:
    """A JPEG whose frame header has another marker."""
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "JPEG")
    return stream.getvalue().replace(b"\xff\xc0", bytes([0xFF, marker]), 1)


def jpeg_in_bmp() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "BMP")
    content = bytearray(stream.getvalue())
    content[30] = 4
    return bytes(content)


FOREIGN = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG XL": b"\xff\x0a\0\0",
    "SVG": b"<?xml version='1.0'?>\n<!-- a -->\n<svg xmlns='x'/>",
    "PDF": b"%PDF-1.7",
    "Photoshop": b"8BPS\0\1",
    "OpenEXR": b"\x76\x2f\x31\x01",
    "DICOM": b"\0" * 128 + b"DICM",
    "a video": b"\0\0\0\x18ftypisom",
    "HTML": b"\n<!DOCTYPE html><html>",
    "git lfs pull": b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.mark.parametrize(("form", "content"), FOREIGN.items(), ids=FOREIGN)
def test_a_format_that_is_not_read_is_named_with_those_that_are(form: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content + bytes(64))
    with pytest.raises(InputError, match=rf"a.jpg is .*{form}.*not supported, expected one of: JPEG, PNG, ") as caught:
        read_photo(tmp_path / "a.jpg")
    assert "again" not in str(caught.value)


@pytest.mark.parametrize(
    ("form", "content"), [("JPEG", jpeg_of_frame(0xC3)), ("JPEG", jpeg_of_frame(0xC7)), ("BMP", jpeg_in_bmp())]
)
def test_a_rare_kind_of_a_format_need_not_be_copied_again(form: str, content: bytes) -> None:
    with pytest.raises(InputError, match=f"it is not a picture that can be read: a {form} .*; save it as a PNG"):
        decode_photo(io.BytesIO(content), "it")


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_have_a_format_or_none_at_once(content: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"<!--", b"II*\0"):
        assert format_of((start + content) * 20) in {None, *(name for _, name in SIGNATURES)}
        assert is_lossless_jpeg(start + content) in (True, False)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "MPO"])
def test_of_an_animation_the_first_frame_is_read(form: str) -> None:
    stream = io.BytesIO(animation(form))
    with Image.open(stream) as image:
        assert image.n_frames == 2
        assert (decode_photo(io.BytesIO(stream.getvalue()), "it") == np.asarray(image.convert("RGB"))).all()
    if form in ("WEBP", "PNG"):
        assert (decode_photo(io.BytesIO(stream.getvalue()), "it") == PIXELS).all()


def test_floating_point_pixels_and_large_photos_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="floating-point"):
        read_photo(tmp_path / "a.tif")
    Image.new("1", (8001, 8000)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="8000x8001 pixels, expected at most"):
        read_photo(tmp_path / "b.png")


def endless_gif(frames: int) -> bytes:
    """So many frames of one pixel."""
    file = io.BytesIO()
    Image.new("P", (1, 1)).save(file, "GIF")
    whole = file.getvalue()
    start = whole.index(b"\x2c", 13)
    return whole[:start] + whole[start:-1] * frames + b"\x3b"


def endless_tiff(pages: int) -> bytes:
    """So many pages of one pixel, each of which says where the next one is."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    length = 2 + len(entries) + 4
    places = [*range(9, 9 + length * pages, length), 0]
    body = b"".join(struct.pack("<H", len(tags)) + entries + struct.pack("<I", place) for place in places[1:])
    return b"II*\0" + struct.pack("<I", 9) + b"\x7f" + body


def test_pages_without_end_are_not_counted() -> None:
    assert decode_photo(io.BytesIO(endless_tiff(1)), "it").shape == (1, 1, 3)
    with bounded(3), pytest.raises(InputError, match=r"^it has several pages \(100 or more\)"):
        decode_photo(io.BytesIO(endless_tiff(30_000)), "it")


def test_frames_without_end_are_not_read() -> None:
    with bounded(3):
        assert decode_photo(io.BytesIO(endless_gif(500_000)), "it").shape == (1, 1, 3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_a_large_photo_takes_little_more_memory_than_its_pixels(mode: str, tmp_path: Path) -> None:
    height, width = 3000, 4000
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new(mode, (width, height)).save(tmp_path / "a.png", exif=turned)
    with bounded(60, more=height * width * 9 + (64 << 20)):
        assert read_photo(tmp_path / "a.png").shape == (width, height, 3)
