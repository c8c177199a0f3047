"""The rooms of the package and who imports whom, drawn from the imports: `python docs/drawings/house.py`.

An arrow that a longer path implies is left out. The files at the top of the package, which any room may import,
are one box at the bottom.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from draw import SHARED, WIDTH, A, Drawing

SOURCE = Path(__file__).parents[2] / "src" / "afanet"
ROW, TALL, WIDE, GAP = 54, 30, 92, 16
LAZY = {("runs", "inference")}  # `run.predictor()` alone, inside the function


def imports() -> dict[str, set[str]]:
    """For each room, a folder of the package, the rooms that its files import."""
    rooms = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
    edges: dict[str, set[str]] = {room: set() for room in rooms}
    for room in rooms:
        for file in (SOURCE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("afanet."):
                    other = str(node.module).split(".")[1]
                    if other in edges and other != room and (room, other) not in LAZY:
                        edges[room].add(other)
    return edges


def below(room: str, edges: dict[str, set[str]]) -> set[str]:
    """Every room that can be reached from one."""
    return edges[room].union(*(below(other, edges) for other in edges[room]))


def level(room: str, edges: dict[str, set[str]]) -> int:
    """How many rooms the longest way down from one passes."""
    return max((1 + level(other, edges) for other in edges[room]), default=0)


def busiest_in_the_middle(row: list[str], edges: dict[str, set[str]]) -> list[str]:
    """A row in such an order that the rooms which few import are at its ends, where arrows pass no other box."""
    by_importers = sorted(row, key=lambda room: sum(room in others for others in edges.values()))
    return by_importers[::2] + by_importers[1::2][::-1]


def house() -> Drawing:
    """The rooms, the lowest at the bottom."""
    edges = imports()
    levels = {room: level(room, edges) for room in edges}
    top = max(levels.values())
    drawing = Drawing(ROW * (top + 2) + 12, "The rooms of the package: each imports only rooms below it")
    spots: dict[str, tuple[float, float]] = {}
    for height in range(top + 1):
        row = busiest_in_the_middle([room for room in edges if levels[room] == height], edges)
        left = (WIDTH - len(row) * WIDE - (len(row) - 1) * GAP) / 2
        for number, room in enumerate(row):
            spots[room] = left + number * (WIDE + GAP), 12 + ROW * (top - height)
    for room, others in edges.items():
        implied = set().union(*(below(other, edges) for other in others))
        for other in sorted(others - implied):
            (x, y), (to_x, to_y) = spots[room], spots[other]
            drawing.arrow((x + WIDE / 2, y + TALL), (to_x + WIDE / 2, to_y))
    for room, (x, y) in spots.items():
        drawing.box(x, y, WIDE, TALL, A, room)
    drawing.box(40, 12 + ROW * (top + 1), WIDTH - 80, TALL, SHARED, "files at the top, such as errors, files, photo")
    return drawing


if __name__ == "__main__":
    Path(__file__).with_name("house.svg").write_text(house().svg(), encoding="utf-8")
