"""The drawings of the pages: `python docs/drawings/draw.py` writes them anew beside this file.

Each has a light ground of its own, so that it reads on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

INK, SOFT, PAPER, LINE = "#1c2126", "#5b6670", "#f7f8fa", "#c5ccd3"
A, B, SHARED, FUSION = "#2b6cb0", "#b7551a", "#5b6670", "#2f7d5b"
WIDTH = 480
Spot = tuple[float, float]


class Drawing:
    """Shapes on a ground of `width` by `height`, and what they show in words."""

    def __init__(self, height: int, meaning: str, width: int = WIDTH) -> None:
        self.width = width
        self.height = height
        self.meaning = meaning
        self.shapes: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, colour: str, text: str = "") -> None:
        """A filled box with white text in its middle."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.shapes.append(f'<rect {place} rx="4" fill="{colour}"/>')
        self.text(x + width / 2, y + height / 2 + 4, text, "#ffffff")

    def frame(self, x: float, y: float, width: float, height: float, text: str) -> None:
        """An empty frame with a title in its upper left corner."""
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.shapes.append(f'<rect {place} rx="6" fill="none" stroke="{LINE}"/>')
        self.text(x + 10, y + 18, text, INK, "start", bold=True)

    def text(
        self, x: float, y: float, text: str, colour: str = INK, anchor: str = "middle", *, bold: bool = False
    ) -> None:
        """A line of text."""
        if text:
            weight = ' font-weight="600"' if bold else ""
            place = f'x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}"'
            self.shapes.append(f"<text {place}{weight}>{escape(text)}</text>")

    def line(self, *spots: Spot, colour: str = SOFT, arrow: bool = False, dashed: bool = False) -> None:
        """A line from spot to spot."""
        points = " ".join(f"{x:g},{y:g}" for x, y in spots)
        more = (' marker-end="url(#tip)"' if arrow else "") + (' stroke-dasharray="4 3"' if dashed else "")
        self.shapes.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{more}/>')

    def dot(self, x: float, y: float, colour: str, *, filled: bool) -> None:
        """A small disc, or a ring."""
        fill = colour if filled else PAPER
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>')

    def arrow(self, *spots: Spot) -> None:
        """A line that ends in a tip."""
        self.line(*spots, arrow=True)

    def svg(self) -> str:
        """The file."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<path d="M0 0L8 4L0 8z" fill="{SOFT}"/>'
        tip = f'<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">{head}</marker>'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="13">',
                f"<title>{escape(self.meaning)}</title>",
                f"<defs>{tip}</defs>",
                f'<rect width="{self.width}" height="{self.height}" rx="8" fill="{PAPER}"/>',
                *self.shapes,
                "</svg>\n",
            ]
        )


STAGES = [18, 56, 94, 132]  # where the four stages of a backbone stand in a panel
TOP, MIDDLE, BOTTOM, TALL = 42, 66, 90, 20  # rows of a panel, and how tall a stage is


def methods() -> Drawing:
    """Six panels, in each two tasks from left to right: four stages and a head."""
    drawing = Drawing(428, "Where two branches share and meet in each of the six methods")
    panels = [
        ("single", _single),
        ("hard", _hard),
        ("cross_stitch", _cross_stitch),
        ("nddr", _nddr),
        ("mtan", _mtan),
        ("afa", _afa),
    ]
    for number, (name, draw) in enumerate(panels):
        x, y = 8 + 236 * (number % 2), 8 + 138 * (number // 2)
        drawing.frame(x, y, 228, 130, name)
        draw(drawing, x, y)
    return drawing


def _branch(
    drawing: Drawing, x: float, y: float, row: float, colour: str, stages: Sequence[float] = STAGES, wide: float = 24
) -> None:
    middle = y + row + TALL / 2
    drawing.line((x + 6, middle), (x + 178, middle), colour=colour)
    for stage in stages:
        drawing.box(x + stage, y + row, wide, TALL, colour)


def _heads(drawing: Drawing, x: float, y: float) -> None:
    for row, colour, task in ((TOP, A, "A"), (BOTTOM, B, "B")):
        drawing.box(x + 178, y + row, 40, TALL, colour, task)


def _single(drawing: Drawing, x: float, y: float) -> None:
    _branch(drawing, x, y, TOP, A)
    _branch(drawing, x, y, BOTTOM, B)
    _heads(drawing, x, y)


def _hard(drawing: Drawing, x: float, y: float) -> None:
    middle = y + MIDDLE + TALL / 2
    drawing.line((x + 6, middle), (x + 156, middle))
    for row in (TOP, BOTTOM):
        drawing.line((x + 156, middle), (x + 178, y + row + TALL / 2))
    for stage in STAGES:
        drawing.box(x + stage, y + MIDDLE, 24, TALL, SHARED)
    _heads(drawing, x, y)


def _cross_stitch(drawing: Drawing, x: float, y: float) -> None:
    _single(drawing, x, y)
    upper, lower = y + TOP + TALL / 2, y + BOTTOM + TALL / 2
    for stage in STAGES:
        for start, end in ((upper, lower), (lower, upper)):
            drawing.line((x + stage + 24, start), (x + stage + 38, end), colour=FUSION)


def _nddr(drawing: Drawing, x: float, y: float) -> None:
    _single(drawing, x, y)
    for stage in STAGES:
        drawing.box(x + stage + 27, y + TOP - 4, 8, BOTTOM - TOP + TALL + 8, FUSION)


def _mtan(drawing: Drawing, x: float, y: float) -> None:
    middle = y + MIDDLE + TALL / 2
    drawing.line((x + 6, middle), (x + 156, middle))
    for row, colour in ((TOP, A), (BOTTOM, B)):
        drawing.line((x + STAGES[0] + 12, y + row + TALL / 2), (x + 178, y + row + TALL / 2), colour=colour)
        for stage in STAGES:
            drawing.line((x + stage + 12, middle), (x + stage + 12, y + row + TALL / 2))
            drawing.shapes.append(
                f'<circle cx="{x + stage + 12:g}" cy="{y + row + TALL / 2:g}" r="7" fill="{colour}"/>'
            )
    for stage in STAGES:
        drawing.box(x + stage, y + MIDDLE, 24, TALL, SHARED)
    _heads(drawing, x, y)


def _afa(drawing: Drawing, x: float, y: float) -> None:
    blocks = [124, 142, 160]
    for row, colour in ((TOP, A), (BOTTOM, B)):
        _branch(drawing, x, y, row, colour, STAGES[:3])
        for block in blocks:
            drawing.box(x + block, y + row, 7, TALL, colour)
    for block in blocks:
        drawing.box(x + block + 9, y + TOP - 4, 6, BOTTOM - TOP + TALL + 8, FUSION)
    _heads(drawing, x, y)


def afa() -> Drawing:
    """CAM, then SAM, from top to bottom."""
    drawing = Drawing(560, "The AFA layer: gates by channel, then gates by pixel, each the same for both tasks")
    left, right, centre = 60, WIDTH - 60, WIDTH / 2
    for x, colour, task in ((left, A, "A"), (right, B, "B")):
        drawing.box(x - 44, 12, 88, 26, colour, f"features {task}")
    for above, top, title, steps, mixed in (
        (38, 52, "CAM", ["mean over the pixels", "g = ReLU(W d)", "softmax of P g"], "mix, channel by channel"),
        (
            261,
            290,
            "SAM",
            ["mean over the channels", "g = ReLU(7×7 convolution)", "softmax of Q g"],
            "mix, pixel by pixel",
        ),
    ):
        drawing.frame(104, top, WIDTH - 208, 168, "")
        drawing.text(114, top + 18, title, INK, "start", bold=True)
        for x in (left, right):
            drawing.arrow((x, above), (x, top + 180))
            drawing.arrow((x, top + 40), (140 if x == left else WIDTH - 140, top + 40))
        for number, step in enumerate(steps):
            y = top + 26 + 46 * number
            drawing.box(140, y, WIDTH - 280, 28, SHARED, step)
            drawing.arrow((centre, y + 28), (centre, y + 46 if number < 2 else top + 180))
        drawing.box(16, top + 181, WIDTH - 32, 28, FUSION, mixed)
        drawing.text(centre + 10, top + 163, "w own, w other", SOFT, "start")
    for x, colour, task in ((left, A, "A"), (right, B, "B")):
        drawing.arrow((x, 499), (x, 520))
        drawing.box(x - 44, 521, 88, 26, colour, f"output {task}")
    return drawing


def guard() -> Drawing:
    """The way back through a guarded module, from right to left."""
    drawing = Drawing(206, "The gradient guard: a branch gets the fused gradient unless it is much larger than its own")
    drawing.box(190, 16, 100, 76, FUSION, "CAM or SAM")
    for y, colour, task in ((34, A, "A"), (74, B, "B")):
        drawing.arrow((432, y), (292, y))
        drawing.text(440, y + 4, f"δ {task}", colour, "start", bold=True)
        drawing.arrow((190, y), (120, y))
        drawing.text(112, y + 4, f"g {task}", colour, "end", bold=True)
    drawing.text(362, 110, "arrives at the outputs", SOFT)
    drawing.text(100, 110, "leaves at the inputs", SOFT)
    drawing.frame(40, 124, 400, 68, "for each branch")
    drawing.text(150, 172, "‖g‖ ≤ limit · ‖δ‖:  g goes on")
    drawing.text(342, 172, "else:  δ goes on")
    return drawing


def weaving() -> Drawing:
    """Two networks that meet after two named layers."""
    drawing = Drawing(330, 'weave(branches, at=["layer4.0", "layer4.1"], fusion=AFA)')
    rows = [("conv1 … layer3", 50), ("layer4.0", 104), ("layer4.1", 188), ("fc", 272)]
    for x, colour, task in ((40, A, "branches.age"), (300, B, "branches.gender")):
        drawing.text(x + 70, 24, task, colour, bold=True)
        for number, (name, y) in enumerate(rows):
            drawing.box(x, y, 140, 28, colour, name)
            if number < len(rows) - 1:
                drawing.arrow((x + 70, y + 28), (x + 70, rows[number + 1][1]))
        drawing.arrow((x + 70, 36), (x + 70, 50))
        drawing.arrow((x + 70, 300), (x + 70, 322))
    for name, y in (("fusion.layer4.0", 146), ("fusion.layer4.1", 230)):
        drawing.box(28, y, WIDTH - 56, 24, FUSION, name)
    return drawing


DRAWINGS: dict[str, Callable[[], Drawing]] = {"methods": methods, "afa": afa, "guard": guard, "weaving": weaving}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        Path(__file__).with_name(f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
