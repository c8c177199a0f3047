"""OpenEXR files, to which renderers write distances and normals."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.install import missing_package
from afanet.limits import MOST_PIXELS
from afanet.picture_format import HEAD, format_of

NAMED = 12  # most channels that a message names


def read_exr(path: Path, meaning: str, names: Sequence[tuple[str, ...]]) -> NDArray[np.floating]:
    """The first of the groups of channels in `names` that an OpenEXR file has, (H, W, channels).

    A channel is identified by the last part of its name, in lower case: `z` for `ViewLayer.Depth.Z`. If a group of one
    channel is wanted, a file with a single channel has it under any name. Raises `InputError` for a file that is
    missing, incomplete, of another format, without such channels or with several of one name, and if the package
    OpenEXR is missing.
    """
    channels = _channels(path, meaning)
    by_name: dict[str, list[Any]] = {}
    for name, channel in channels.items():
        by_name.setdefault(name.rpartition(".")[2].lower(), []).append(channel)
    wanted = next((group for group in names if all(len(by_name.get(name, ())) == 1 for name in group)), None)
    chosen = [by_name[name][0] for name in wanted] if wanted else []
    if not chosen and len(channels) == 1 and any(len(group) == 1 for group in names):
        chosen = list(channels.values())
    shapes = {channel.pixels.shape for channel in chosen}
    if len(shapes) != 1 or not all(channel.xSampling == channel.ySampling == 1 for channel in chosen):
        listed = ", ".join(list(channels)[:NAMED]) + (f" and {len(channels) - NAMED} more" * (len(channels) > NAMED))
        groups = " or ".join("".join(group).upper() for group in names)
        raise InputError(f"{path} has the channels {listed}, expected {groups} once for a {meaning}: save these")
    return np.stack([channel.pixels for channel in chosen], axis=-1)


def _channels(path: Path, meaning: str) -> dict[str, Any]:
    """The channels of an image, by name."""
    try:
        with require_regular(path).open("rb") as file:
            form = format_of(file.read(HEAD))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: every frame needs its {meaning}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): copy this {meaning} again") from None
    if form not in (None, "OpenEXR"):
        raise InputError(f"{path} is {form}, expected an OpenEXR file for a {meaning}: name it by its format")
    try:
        import OpenEXR
    except ImportError:
        raise InputError(f"{path} cannot be read: {missing_package('OpenEXR', 'labels')}") from None
    try:
        header = OpenEXR.File(str(path), header_only=True, num_threads=0).header()
        _require_usual(path, meaning, header["dataWindow"], header["displayWindow"])
        with redirect_stdout(io.StringIO()):  # OpenEXR prints what it raises
            image = OpenEXR.File(str(path), separate_channels=True, num_threads=0)
        channels: dict[str, Any] = image.channels()
    except InputError:
        raise
    except Exception as error:  # OpenEXR raises several kinds of error, with short texts
        said = str(error).partition("\n")[0]
        raise InputError(f"{path} cannot be read as OpenEXR ({said:.80}): copy this {meaning} again") from error
    if len(image.parts) > 1:
        raise InputError(f"{path} has {len(image.parts)} parts, expected one for a {meaning}: save only that one")
    return channels


def _require_usual(path: Path, meaning: str, stored: Sequence[Any], shown: Sequence[Any]) -> None:
    """Refuse an image that is too large, before it is read, and one whose data cover only a part of it."""
    width, height = (int(last) - int(first) + 1 for first, last in zip(*stored, strict=True))
    if width * height > MOST_PIXELS:
        raise InputError(f"{path} has {height}x{width} pixels, expected at most {MOST_PIXELS:,}: resize it")
    if not all(np.array_equal(*corners) for corners in zip(stored, shown, strict=True)):
        raise InputError(f"{path} has data for only a part of its {meaning}, expected all: save it uncropped")
