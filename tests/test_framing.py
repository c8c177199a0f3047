"""Where photos go in a network's input: shapes stay shapes, and what is said of them comes back to its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data.transforms import as_input, denormalise
from afanet.framing import RESIZES, framing
from afanet.normalisation import IMAGENET

sides = st.integers(1, 300)
sizes = st.tuples(sides, sides)


@given(photo=sizes, size=sizes, resize=st.sampled_from(RESIZES))
@settings(max_examples=300, deadline=None)
def test_what_is_seen_lies_in_the_photo_and_fills_part_of_the_input(photo, size, resize):
    frame = framing(photo, size, resize)
    for box, around in ((frame.seen, photo), (frame.filled, size)):
        rows, columns = box.slices
        assert 0 <= rows.start < rows.stop <= around[0]
        assert 0 <= columns.start < columns.stop <= around[1]
    if resize == "letterbox":
        assert (frame.seen.height, frame.seen.width) == photo
        assert frame.filled.height == size[0] or frame.filled.width == size[1]
    else:
        assert (frame.filled.height, frame.filled.width) == size
    if resize != "stretch":  # one scale for both axes, to half a pixel
        box, shape, around = (frame.filled, photo, size) if resize == "letterbox" else (frame.seen, size, photo)
        scale = min(around[0] / shape[0], around[1] / shape[1])
        assert abs(box.height - shape[0] * scale) < 0.501 or box.height == 1
        assert abs(box.width - shape[1] * scale) < 0.501 or box.width == 1


@given(photo=sizes, size=sizes)
@settings(max_examples=200, deadline=None)
def test_a_letterboxed_photo_without_its_padding_is_letterboxed_to_the_same_place(photo, size):
    filled = framing(photo, size, "letterbox").filled
    assert framing((filled.height, filled.width), size, "letterbox").filled == filled


@given(photo=sizes, size=sizes, resize=st.sampled_from(RESIZES))
@settings(max_examples=200, deadline=None)
def test_values_come_back_to_the_photos_proportions(photo, size, resize):
    frame = framing(photo, size, resize)
    values = np.ones((2, *size), np.int64)
    back = frame.on_photo(values, absent=7)
    assert set(np.unique(back)) <= {1, 7}
    assert (back == 1).sum() == 2 * frame.filled.height * frame.filled.width
    assert (back == 7).any() <= (resize == "crop")


@pytest.mark.parametrize("resize", ["letterbox", "crop"])
@pytest.mark.parametrize("photo", [(200, 100), (100, 200), (120, 120)])
def test_a_circle_stays_a_circle(photo: tuple[int, int], resize: str) -> None:
    rows, columns = np.mgrid[: photo[0], : photo[1]]
    disc = (rows - photo[0] / 2) ** 2 + (columns - photo[1] / 2) ** 2 < 40**2
    pixels = np.where(disc, 255, 0).astype(np.uint8)[..., None].repeat(3, 2)
    seen = denormalise(as_input(pixels, (64, 80), resize))[..., 0] > 200
    assert abs(int(seen.any(1).sum()) - int(seen.any(0).sum())) <= 1
    stretched = denormalise(as_input(pixels, (64, 80), "stretch"))[..., 0] > 200
    assert abs(int(stretched.any(1).sum()) - int(stretched.any(0).sum())) > 3


def test_padding_is_the_mean_of_imagenet() -> None:
    image = as_input(np.full((8, 2, 3), 255, np.uint8), (8, 6), "letterbox")
    assert (image[:, :, :2] == 0).all()
    assert (image[:, :, 4:] == 0).all()
    assert (image[:, :, 2:4] > 1).all()
    assert denormalise(image)[0, 0].tolist() == [round(255 * mean) for mean in IMAGENET.mean]
