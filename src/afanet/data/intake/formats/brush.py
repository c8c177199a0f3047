"""Masks painted in Label Studio: a stream of bits in which runs of equal words are compressed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.data.intake.formats.shapes import ShapeError

HEAD = 53  # bits
CHANNELS = 4  # red, green, blue and opacity; only opacity counts


def read_brush(values: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The mask (H, W) in the bytes of `rle`; raises `ShapeError` if there is none.

    The bits are: the number of words (32 bits), the bits per word minus one (5), and, four times, the bits of a length
    minus one (4). Then, until there are enough words: whether a run follows (1), which of the four lengths is used (2),
    the length minus one, and then, for a run, one word that is repeated, otherwise that many words. The words are the
    pixels' four channels.
    """
    try:
        stored = np.frombuffer(bytes([*values]), np.uint8)
    except (TypeError, ValueError):
        raise ShapeError("brush masks that are not a list of bytes") from None
    bits = (np.unpackbits(stored) + ord("0")).tobytes().decode("ascii")
    try:
        return _unpack(bits, height, width)
    except ShapeError:
        raise
    except ValueError:  # a number without bits
        raise ShapeError("brush masks that are cut short") from None


def _unpack(bits: str, height: int, width: int) -> NDArray[np.bool_]:
    words, word_bits = int(bits[:32], 2), int(bits[32:37], 2) + 1
    length_bits = [int(bits[start : start + 4], 2) + 1 for start in range(37, HEAD, 4)]
    at = HEAD
    if words != CHANNELS * height * width:
        raise ShapeError("brush masks of another size than their image")
    mask = np.zeros(height * width, np.bool_)
    done = 0
    while done < words:
        is_run, chosen = bits[at : at + 1] == "1", int(bits[at + 1 : at + 3], 2)
        at += 3
        length = int(bits[at : at + length_bits[chosen]], 2) + 1
        at += length_bits[chosen]
        size = word_bits if is_run else length * word_bits
        if done + length > words or at + size > len(bits):
            raise ShapeError("brush masks that are cut short")
        first, end = done // CHANNELS, (done + length) // CHANNELS  # pixels whose opacity is among the words
        if is_run:
            mask[first:end] = "1" in bits[at : at + size]
        else:
            own = np.frombuffer(bits[at : at + size].encode("ascii"), np.uint8).reshape(length, word_bits)
            mask[first:end] = (own == ord("1")).any(1)[(CHANNELS - 1 - done) % CHANNELS :: CHANNELS]
        at += size
        done += length
    return mask.reshape(height, width)
