"""Photos of every kind become the pixels a person sees, and what is none is said."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import tv_tensors

from afanet.data.transforms import IMAGENET_MEAN, IMAGENET_STD, evaluation
from afanet.errors import InputError
from afanet.inference import find_photos, prepare, read_photo, to_pixels
from afanet.inference.photo import decode_photo

from ..bounds import bounded

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 90)] * 2), st.tuples(*[st.integers(1, 60)] * 2), st.integers(0, 99))
def test_a_photo_is_prepared_as_networks_were_scored(found: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*found, 3), dtype=np.uint8)
    sample = {"image": tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1)), "targets": {}, "id": ""}
    expected = evaluation(size)(sample)["image"].numpy()
    levels = np.abs(prepare(pixels, size, IMAGENET_MEAN, IMAGENET_STD) - expected) * 255
    assert (levels * np.array(IMAGENET_STD)[:, None, None]).max() < 1.01  # one of 255 grey levels


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


@pytest.mark.parametrize(("orientation", "turned"), [(1, PIXELS), (3, PIXELS[::-1, ::-1]), (6, np.rot90(PIXELS, -1))])
def test_a_photo_is_turned_as_its_camera_says(orientation: int, turned: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    assert (read_photo(tmp_path / "a.png") == turned).all()
    assert (to_pixels(Image.open(tmp_path / "a.png")) == turned).all()


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
    first.save(stream, form, save_all=True, append_images=[second])
    return stream.getvalue()


def cut_short(form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(stream, form)
    return stream.getvalue()[:-2000]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"no picture at all", "is no picture"),
        (cut_short("PNG"), "cut short"),
        (cut_short("JPEG"), "cut short"),
        (bomb(), "at most 64,000,000"),
        (animation("GIF"), "animation .*2 frames"),
        (animation("WEBP"), "animation .*2 frames"),
        (animation("TIFF"), "several pages .2 frames"),
    ],
)
def test_what_is_no_photo_is_said_with_its_name(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=f"a.png .*{said}"):
        read_photo(tmp_path / "a.png")


def test_floating_point_pixels_and_large_photos_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="floating-point"):
        read_photo(tmp_path / "a.tif")
    Image.new("1", (8001, 8000)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="8000x8001 pixels, expected at most"):
        read_photo(tmp_path / "b.png")


def test_folders_patterns_and_files_are_found_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.JPG", "in/a/c.png", "in/.hidden/d.png", "in/notes.txt", "in/out/e.png", "in/f.mp4"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("empty").mkdir()
    found, faults = find_photos(["in/b.JPG", "in", "in/*/c.*", "none*.png", "empty", "gone.png"], Path("in/out"))
    assert found == [Path("in/b.JPG"), Path("in/a/c.png"), Path("in/f.mp4")]
    assert [fault.split()[0] for fault in faults] == ["none*.png", "empty", "gone.png"]


def test_what_cannot_be_looked_for_gets_a_sentence() -> None:
    found, [fault] = find_photos(["a\0[b]"])
    assert not found
    assert "cannot be looked for" in fault or "has no picture" in fault


def test_folders_that_contain_themselves_are_walked_once(tmp_path: Path) -> None:
    inner = tmp_path / "trip" / "day"
    inner.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(inner / "a.png")
    (inner / "again").symlink_to(tmp_path / "trip")
    (tmp_path / "trip" / "self").symlink_to(tmp_path / "trip")
    (inner / "ring.png").symlink_to(inner / "gnir.png")
    (inner / "gnir.png").symlink_to(inner / "ring.png")
    os.mkfifo(inner / "pipe.png")
    with bounded():
        assert find_photos([tmp_path / "trip"]) == ([inner / "a.png"], [])
        assert find_photos([tmp_path / "trip"], leave_out=inner / "ring.png")[0] == [inner / "a.png"]
        assert find_photos([tmp_path / "trip" / "day" / "again"])[0] == [inner / "again" / "day" / "a.png"]
        assert find_photos([str(tmp_path / "**" / "*.png")])[0] != []
        [fault] = find_photos([inner / "ring.png"])[1]
        assert "ring.png does not exist" in fault


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


@pytest.mark.parametrize(("made", "count"), [(endless_gif, 500_000), (endless_tiff, 30_000)])
def test_frames_without_end_are_not_counted(made: Callable[[int], bytes], count: int) -> None:
    assert decode_photo(io.BytesIO(made(1)), "it").shape == (1, 1, 3)
    with (
        bounded(3),
        pytest.raises(InputError, match=r"^it is an animation or has several pages \(100 or more frames\)"),
    ):
        decode_photo(io.BytesIO(made(count)), "it")
