"""The AFA layer in colours, computed by its own formula: `python docs/drawings/layer.py`.

Task A is blue, task B orange. A sheet is a channel and a cell a pixel, in the colour of what is mixed there.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from draw import FUSION, INK, LINE, SOFT, A, B, Drawing

WIDE, TALL = 720, 744
CELL, STEP = 10, 5  # of a pixel on a sheet, and between two sheets
CHANNELS = (0.92, 0.62, 0.88, 0.34, 0.76, 0.16, 0.84, 0.55)  # how much of its own each channel keeps
PIXELS = (  # how much of its own each pixel keeps: a task looks to the other one in two places
    (0.96, 0.96, 0.94, 0.92, 0.92, 0.94, 0.96, 0.96, 0.96, 0.96),
    (0.96, 0.92, 0.80, 0.66, 0.70, 0.86, 0.94, 0.96, 0.94, 0.94),
    (0.94, 0.82, 0.42, 0.16, 0.24, 0.66, 0.90, 0.92, 0.84, 0.86),
    (0.94, 0.78, 0.26, 0.06, 0.12, 0.56, 0.86, 0.80, 0.50, 0.62),
    (0.94, 0.86, 0.52, 0.26, 0.34, 0.72, 0.82, 0.54, 0.20, 0.34),
    (0.96, 0.94, 0.84, 0.74, 0.78, 0.88, 0.86, 0.64, 0.34, 0.48),
    (0.96, 0.96, 0.94, 0.92, 0.94, 0.94, 0.94, 0.88, 0.78, 0.82),
)
ROWS, COLUMNS = len(PIXELS), len(PIXELS[0])


def blend(low: str, high: str, share: float) -> str:
    """The colour that has `share` of `high`, the rest of `low`."""
    pairs = [(int(low[at : at + 2], 16), int(high[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(first + share * (second - first)):02x}" for first, second in pairs)


def kept(channel: float = 1, pixel: float = 1) -> float:
    """How much of its own is left after both mixes: the excess over the other's is a product, a_CAM a_SAM."""
    return (1 + (2 * channel - 1) * (2 * pixel - 1)) / 2


def sheets(
    drawing: Drawing,
    x: float,
    y: float,
    own: str,
    other: str,
    channels: tuple[float, ...],
    pixels: tuple[tuple[float, ...], ...] | None = None,
) -> None:
    """A task's features: a sheet for each channel, the first in front with its pixels."""
    for number, channel in reversed(list(enumerate(channels))):
        left, top = x + STEP * number, y + STEP * (len(channels) - 1 - number)
        size = f'x="{left:g}" y="{top:g}" width="{CELL * COLUMNS}" height="{CELL * ROWS}"'
        drawing.shapes.append(f'<rect {size} fill="{blend(other, own, kept(channel))}" stroke="#ffffff"/>')
        for row in range(ROWS if pixels else 0):
            for column in range(COLUMNS):
                if number == 0 or row == 0 or column == COLUMNS - 1:  # the rest is hidden
                    colour = blend(other, own, kept(channel, pixels[row][column]))
                    square(drawing, left + CELL * column, top + CELL * row, CELL, colour)


def square(drawing: Drawing, x: float, y: float, side: float, colour: str) -> None:
    drawing.shapes.append(f'<rect x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" fill="{colour}"/>')


def panel(drawing: Drawing, y: float, title: str, reads: str) -> None:
    """The frame of one kind of gates, with its question, and arrows from the features of both tasks."""
    drawing.frame(222, y, 276, 190, "")
    drawing.text(360, y + 24, title, INK, bold=True)
    drawing.text(360, y + 44, reads, SOFT)
    drawing.arrow((186, y + 62), (220, y + 62))
    drawing.arrow((534, y + 62), (500, y + 62))


def dials(drawing: Drawing, y: float) -> None:
    """A dial for each channel: green is what a task keeps."""
    for number, channel in enumerate(CHANNELS):
        x, tall = 254 + 27 * number, 92
        drawing.box(x, y, 18, tall, blend("#ffffff", FUSION, 0.15))
        drawing.box(x, y + tall * (1 - channel), 18, tall * channel, FUSION)


def grid(drawing: Drawing, y: float) -> None:
    """A dial for each pixel: dark green is what a task keeps."""
    for row, values in enumerate(PIXELS):
        for column, pixel in enumerate(values):
            square(drawing, 290 + 14 * column, y + 14 * row, 13, blend("#ffffff", FUSION, 0.12 + 0.88 * pixel))


def layer() -> Drawing:
    """Features of two tasks above, both mixes, and what each task goes on with below."""
    drawing = Drawing(TALL, "The AFA layer: a dial for each channel, then a dial for each pixel, mix two tasks", WIDE)
    stages = ((48, (1.0,) * len(CHANNELS), None), (314, CHANNELS, None), (580, CHANNELS, PIXELS))
    for x, own, other, task in ((44, A, B, "A"), (540, B, A, "B")):
        drawing.text(x + 67, 30, f"features of task {task}", own, bold=True)
        for number, (y, channels, pixels) in enumerate(stages):
            sheets(drawing, x, y, own, other, channels, pixels)
            if number < 2:
                drawing.arrow((x + 50, y + 110), (x + 50, y + 202))
                drawing.arrow((x + 50, y + 234), (x + 50, y + 262))
        drawing.text(x + 67, 716, f"task {task} goes on", own, bold=True)
    for y, title, reads, dial, mixed in (
        (48, "CAM: which channels?", "reads the mean of each channel", dials, "mix channel by channel"),
        (314, "SAM: where in the image?", "reads the mean of each pixel", grid, "mix pixel by pixel"),
    ):
        panel(drawing, y, title, reads)
        dial(drawing, y + 62)
        drawing.text(360, y + 178, "green: keep its own, pale: take", SOFT)
        drawing.arrow((360, y + 190), (360, y + 202))
        drawing.box(24, y + 203, WIDE - 48, 30, FUSION, mixed)
    drawing.text(360, 612, "A takes as much from B", INK, bold=True)
    drawing.text(360, 632, "as B takes from A.", INK, bold=True)
    for number in range(14):
        square(drawing, 255 + 15 * number, 645, 15, blend(A, B, number / 13))
    for x, text in ((260, "all of A"), (360, "half and half"), (460, "all of B")):
        drawing.text(x, 682, text, SOFT)
    drawing.line((222, 590), (222, 690), colour=LINE)
    drawing.line((498, 590), (498, 690), colour=LINE)
    return drawing


if __name__ == "__main__":
    Path(__file__).with_name("layer.svg").write_text(layer().svg(), encoding="utf-8")
