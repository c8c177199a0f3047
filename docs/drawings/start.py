"""What AFANet is, in one picture for the start page: `python docs/drawings/start.py`.

One image enters a branch for each task. The branches meet in green layers, and each gives an answer of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from draw import FUSION, INK, A, B, Drawing

WIDE, TALL = 720, 268
ROOM = {  # parts of a room: their outline on 128 by 96, and their colours in a photo, by class and by distance
    "wall": ("0,0 128,0 128,96 0,96", "#c9bfae", "#95a5a6", "#26828e"),
    "floor": ("0,68 128,68 128,96 0,96", "#8a6f56", "#3f8fe0", "#6ece58"),
    "window": ("14,12 50,12 50,42 14,42", "#bfe0f2", "#bb2200", "#3e4989"),
    "cabinet": ("82,22 118,22 118,76 82,76", "#7c5a3c", "#e8630a", "#35b779"),
    "table": ("24,58 76,58 84,66 84,88 78,88 78,72 22,72 22,88 16,88 16,66", "#a5713e", "#a96a5c", "#c8e020"),
}


def picture(drawing: Drawing, x: float, y: float, colours: int, title: str) -> None:
    """The room in one of its three colourings, with a title below."""
    shapes = [f'<polygon points="{part[0]}" fill="{part[colours]}"/>' for part in ROOM.values()]
    drawing.shapes.append(f'<g transform="translate({x:g} {y:g})">{"".join(shapes)}</g>')
    drawing.text(x + 64, y + 114, title, INK)


def start() -> Drawing:
    """From the photo at the left, through two branches, to two answers at the right."""
    drawing = Drawing(TALL, "One photo, two networks that meet in fusion layers, and an answer for each task", WIDE)
    picture(drawing, 20, 78, 1, "one image")
    for y, colour, task, colours in ((66, A, "segmentation", 2), (194, B, "depth", 3)):
        drawing.line((148, 126), (172, 126), (172, y), (186, y))
        drawing.line((186, y), (560, y), colour=colour)
        for number, tall in enumerate((64, 54, 44, 34)):
            drawing.box(190 + 78 * number, y - tall / 2, 40, tall, colour)
        drawing.box(504, y - 17, 48, 34, colour, "head")
        drawing.arrow((552, y), (572, y))
        picture(drawing, 576, 14 if task == "segmentation" else 142, colours, task)
    for number in range(4):
        drawing.box(240 + 78 * number, 42, 18, 176, FUSION)
    drawing.text(366, 24, "a network for each task", INK, bold=True)
    drawing.text(366, 250, "green layers let each task take features from the other", FUSION)
    return drawing


if __name__ == "__main__":
    Path(__file__).with_name("start.svg").write_text(start().svg(), encoding="utf-8")
