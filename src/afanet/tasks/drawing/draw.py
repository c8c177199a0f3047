"""Legends, scales and bars, with Pillow's own font."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
INK, FAINT, PAPER = (34, 38, 43), (222, 226, 230), (255, 255, 255)
BAR = (63, 144, 218)
MOST_NAMES = 512  # in a legend
LONGEST = 1000  # the most letters of a line that are kept; far fewer fit


def text_size(width: int) -> int:
    """The height of letters in a picture of that width: readable in small ones, in proportion in large ones.

    >>> text_size(96), text_size(480), text_size(4000)
    (11, 13, 66)
    """
    return max(11, min(13, width // 30), width // 60)


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's font at this height in pixels."""
    return ImageFont.load_default(size)


def title(words: str, width: int) -> Pixels:
    """A line of text."""
    size = text_size(width)
    image = Image.new("RGB", (width, 2 * size), PAPER)
    ImageDraw.Draw(image).text((0, size), _fitting(words, width, size), INK, font(size), anchor="lm")
    return np.array(image)


def swatches(names: Sequence[str], colours: Sequence[Sequence[int]], width: int) -> Pixels:
    """Named colours in as many columns as fit; of very many names only the first, and how many are left out."""
    if (rest := len(names) - MOST_NAMES) > 0:
        names, colours = [*names[:MOST_NAMES], f"and {rest} more"], [*colours[:MOST_NAMES], PAPER]
    size = text_size(width)
    box, row = size, round(1.8 * size)
    longest = max((font(size).getlength(_line(name)) for name in names), default=0)
    columns = max(1, int(width // (box + longest + 2 * size)))
    column = width // columns
    image = Image.new("RGB", (width, row * -(-len(names) // columns) + size // 2), PAPER)
    pen = ImageDraw.Draw(image)
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        x, y = index % columns * column, index // columns * row + size // 2
        pen.rectangle((x, y, x + box - 1, y + box - 1), tuple(colour), outline=FAINT)
        words = _fitting(name, column - box - size, size)
        pen.text((x + box + size // 2, y + box / 2), words, INK, font(size), anchor="lm")
    return np.array(image)


def scale(colours: Sequence[Sequence[int]], low: float, high: float, unit: str, width: int) -> Pixels:
    """A bar of colours with five values below it."""
    size = text_size(width)
    image = Image.new("RGB", (width, round(3.6 * size)), PAPER)
    left, right, top, bottom = 0, width - 1, size // 2, round(1.6 * size)
    strip = Image.fromarray(np.array(colours, np.uint8)[None]).resize((width, bottom - top), Image.Resampling.BILINEAR)
    image.paste(strip, (left, top))
    pen = ImageDraw.Draw(image)
    for step in range(5):
        x = left + (right - left) * step / 4
        value = low + (high - low) * step / 4
        anchor = "lt" if step == 0 else "rt" if step == 4 else "mt"
        pen.line((x, bottom, x, bottom + size // 3), INK, max(1, size // 12))
        words = f"{value:.3g} {unit}".strip() if step in (0, 4) else f"{value:.3g}"
        pen.text((x, bottom + size // 2), words, INK, font(size), anchor=anchor)
    return np.array(image)


def bars(rows: Sequence[tuple[str, float]], width: int) -> Pixels:
    """A name, a bar and a percentage for each share of 0 to 1."""
    size = text_size(width)
    row = round(1.9 * size)
    image = Image.new("RGB", (width, row * len(rows) + size // 2), PAPER)
    pen = ImageDraw.Draw(image)
    left, right = round(width * 0.42), width - round(3.6 * size)
    for index, (name, share) in enumerate(rows):
        y = index * row + size // 4 + row / 2
        pen.text((0, y), _fitting(name, left - size // 2, size), INK, font(size), anchor="lm")
        pen.rectangle((left, y - size / 2, right, y + size / 2), FAINT)
        if (end := left + (right - left) * share) >= left + 1:
            pen.rectangle((left, y - size / 2, end, y + size / 2), BAR)
        pen.text((width - 1, y), f"{share:.0%}", INK, font(size), anchor="rm")
    return np.array(image)


def dots(pixels: Pixels, points: Sequence[tuple[float, float]], colours: Sequence[Sequence[int]]) -> Pixels:
    """The picture with a coloured dot at each point inside it, (x, y) as fractions of its width and height."""
    image = Image.fromarray(pixels)
    pen, radius = ImageDraw.Draw(image), max(2, pixels.shape[1] // 100)
    for (x, y), colour in zip(points, colours, strict=True):
        if 0 <= x <= 1 and 0 <= y <= 1:
            centre = x * (pixels.shape[1] - 1), y * (pixels.shape[0] - 1)
            pen.circle(centre, radius, tuple(colour), outline=PAPER)
    return np.array(image)


def fit(pixels: Pixels, width: int, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Pixels:
    """The picture scaled to this width in pixels, or a smaller one if it would be more than twice as high.

    >>> fit(np.zeros((10, 20, 3), np.uint8), 100).shape, fit(np.zeros((90, 3, 3), np.uint8), 100).shape
    ((50, 100, 3), (200, 7, 3))
    """
    factor = min(width / pixels.shape[1], 2 * width / pixels.shape[0])
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, resampling))


def stack(parts: Sequence[Pixels]) -> Pixels:
    """Pictures below each other; narrower ones have white to their right."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts]
    )


def _fitting(words: str, width: float, size: int) -> str:
    """The words, or as many of their letters as fit, with an ellipsis."""
    words = _line(words)
    if font(size).getlength(words) <= width:
        return words

    def too_long(end: int) -> bool:
        return font(size).getlength(words[:end] + "...") > width

    return words[: bisect_left(range(1, len(words) + 1), True, key=too_long)] + "..."


def _line(words: str) -> str:
    return " ".join(words[:LONGEST].splitlines())
