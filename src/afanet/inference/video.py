"""The frames of a video, read by OpenCV, which is an optional package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular


def read_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame in order, (H, W, 3) uint8 RGB; raises `InputError` without OpenCV and for a file without frames."""
    require_regular(path)
    try:
        import cv2
    except ModuleNotFoundError:
        raise InputError(
            f"{path} is a video, and OpenCV is not installed: pip install opencv-python-headless"
        ) from None
    film = cv2.VideoCapture(str(path))
    count = 0
    try:
        while True:
            there, frame = film.read()
            if not there:
                break
            count += 1
            yield np.ascontiguousarray(frame[..., ::-1])
    finally:
        film.release()
    if not count:
        raise InputError(f"{path} is not a video that OpenCV can read: it has no frame")
