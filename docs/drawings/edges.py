"""Matched and missed edges of a drawn map, as `afanet.tasks.edges` matches them: `python docs/drawings/edges.py`.

The truth is a circle and a line. The prediction is the circle moved by a pixel or two, with a gap, the line, of which
half is moved too far, and a scratch where there is nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from draw import FUSION, INK, A, B, Drawing

from afanet.tasks.edges.matching import FREE, Matching, within_reach
from afanet.tasks.edges.thin import thinned

SIZE, PIXEL, LEFT, TOP = (30, 58), 8, 8, 8
REACH = 2.3  # pixels
Bools = NDArray[np.bool_]


def ring(y: float, x: float, radius: float) -> Bools:
    """A circle one pixel wide."""
    rows, columns = np.indices(SIZE)
    return thinned(np.abs(np.hypot(rows - y, columns - x) - radius) < 0.8)


def truth() -> Bools:
    """A circle, and a line to its right."""
    edges = ring(15, 17, 11)
    edges[4:26, 44] = True
    return edges


def prediction() -> Bools:
    """The circle moved, with a gap; the line, whose lower half is too far away; a scratch."""
    edges = ring(15.5, 18.5, 11.4)
    edges[12:18, 28:] = False
    edges[4:15, 46] = edges[15:26, 48] = True
    edges[np.arange(20, 27), np.arange(33, 40)] = True
    return edges


def drawn() -> Drawing:
    """True pixels as rings, predicted ones as discs, pairs as lines."""
    predicted, true = prediction(), truth()
    matching = Matching(within_reach(predicted, true, REACH), int(true.sum()))
    matching.add(range(int(predicted.sum())))
    drawing = Drawing(TOP + SIZE[0] * PIXEL + 34, "Edge pixels that are matched, missed and wrong")
    spots = [
        [(LEFT + PIXEL * (x + 0.5), TOP + PIXEL * (y + 0.5)) for y, x in np.argwhere(each)]
        for each in (predicted, true)
    ]
    for (x, y), owner in zip(spots[1], matching.owner, strict=True):
        drawing.dot(x, y, A if owner == FREE else FUSION, filled=False)
    for spot, number in zip(spots[0], matching.truth_of, strict=True):
        if number != FREE:
            drawing.line(spot, spots[1][number], colour=FUSION)
        drawing.dot(*spot, B if number == FREE else FUSION, filled=True)
    rest = int(true.sum()) - matching.size, int(predicted.sum()) - matching.size
    words = (f"{matching.size} pairs", f"{rest[0]} true pixels missed", f"{rest[1]} predicted pixels wrong")
    for x, colour, text in zip((20, 130, 290), (FUSION, A, B), words, strict=True):
        drawing.dot(x, drawing.height - 16, colour, filled=colour != A)
        drawing.text(x + 10, drawing.height - 12, text, INK, "start")
    return drawing


if __name__ == "__main__":
    Path(__file__).with_name("edges.svg").write_text(drawn().svg(), encoding="utf-8")
