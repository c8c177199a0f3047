"""Drawings of who takes what: flows between tasks, and what each channel keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Wedge
from numpy.typing import NDArray

from afanet.report.charts import as_svg, colours, ink_on, new_figure

MANY = 4  # tasks; above that, the flow is a map of cells, and all tasks share one profile
NODE = 0.3  # the radius of a ring
LONGEST = 14  # characters of a name beside a ring or a row of cells
WIDEST = 24  # width in points of an arrow that carries everything
WORDS = 12  # the most tasks for which cells show their shares in per cent

Array = NDArray[np.float64]


def flow_drawing(shares: Array, names: Sequence[str], label: str) -> str:
    """An SVG of a layer's flow, from the shares (to, from) whose rows sum to one.

    A task is a ring, filled to the share of its own features that it keeps. An arrow in its colour goes to every other
    task, as wide as the share that the other takes; for two tasks, the share is written beside it. More than `MANY`
    tasks give a map with a row for each task and a column for each source; up to `WORDS` tasks, it shows the shares in
    per cent.

    >>> flow_drawing(np.array([[0.9, 0.1], [0.4, 0.6]]), ["age", "gender"], "layer4")[:4]
    '<svg'
    """
    return _cells(shares, names, label) if len(names) > MANY else _arrows(shares, names, label)


def profile_drawing(kept: Mapping[str, Array], label: str) -> str:
    """An SVG of sorted channel gates (images, channels) by task: the mean over images, in a band over all of them."""
    figure, axes = new_figure(2.9, 1.9)
    ink = colours(list(kept))
    for title, gates in together(kept, np.concatenate).items():
        channels, ordered = np.arange(gates.shape[1]), np.sort(gates, 1)
        colour = ink.get(title, next(iter(ink.values())))
        axes.plot(channels, ordered.mean(0), color=colour, label=title)
        axes.fill_between(channels, ordered.min(0), ordered.max(0), color=colour, alpha=0.2, lw=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel("channel, sorted")
    axes.set_title(f"{label}: share kept", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return as_svg(figure)


def together(values: Mapping[str, Array], join: Callable[[list[Array]], Array]) -> dict[str, Array]:
    """Arrays by task; a single one for `every task` if all are equal; for more than `MANY` tasks, one made by `join`.

    >>> {title: len(array) for title, array in together({"a": np.zeros(2), "b": np.zeros(2)}, np.concatenate).items()}
    {'every task': 2}
    >>> list(together({"a": np.zeros(2), "b": np.ones(2)}, np.concatenate))
    ['a', 'b']
    """
    first, *rest = values.values()
    if all(np.array_equal(first, array) for array in rest):
        return {"every task": first}
    return {"all tasks together": join([first, *rest])} if len(values) > MANY else dict(values)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _arrows(shares: Array, names: Sequence[str], label: str) -> str:
    tasks, ink = len(names), colours(names)
    figure, axes = new_figure(*((2.7, 1.4) if tasks == 2 else (3.2, 2.5)))
    start = np.pi if tasks == 2 else np.pi / 2
    angles = start - 2 * np.pi * np.arange(tasks) / tasks
    centres = np.stack([np.cos(angles), np.sin(angles)], 1)
    for to in range(tasks):
        for source in range(tasks):
            if to != source and shares[to, source] > 0:
                _arrow(axes, centres[source], centres[to], shares[to, source], ink[names[source]], tasks == 2)
    for number, name in enumerate(names):
        x, y = centres[number]
        axes.add_patch(Wedge((x, y), NODE, 0, 360, width=0.09, color="#8888884d", lw=0))
        axes.add_patch(Wedge((x, y), NODE, 90 - 360 * shares[number, number], 90, width=0.09, color=ink[name], lw=0))
        axes.text(x, y, f"{shares[number, number]:.0%}", ha="center", va="center", fontsize=8)
        if tasks == 2:
            axes.text(x, y + 1.2 * NODE, _short(name), ha="center", va="bottom", fontsize=9)
        else:  # outside the circle of rings, where no arrow goes
            side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
            high = "center" if abs(x) > 0.9 else "bottom" if y > 0 else "top"
            axes.text(1.37 * x, 1.37 * y, _short(name), ha=side, va=high, fontsize=9)
    axes.set_xlim((-1.7, 1.7) if tasks == 2 else (-2.2, 2.2))
    axes.set_ylim((-0.6, 0.75) if tasks == 2 else (-1.7, 1.7))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(label, fontsize=10)
    return as_svg(figure)


def _arrow(axes: Axes, start: Array, end: Array, share: float, colour: str, labelled: bool) -> None:
    """An arrow on the left of the straight line, so that the arrow back has room."""
    along = (end - start) / np.linalg.norm(end - start)
    left = np.array([-along[1], along[0]])
    tail, head = (at + (NODE + 0.04) * (way * along + 0.45 * left) for at, way in ((start, 1), (end, -1)))
    width = max(0.6, WIDEST * share)
    style = f"simple,tail_width={width},head_width={width + 6},head_length=7"
    curve = "arc3,rad=-0.12"
    axes.add_patch(
        FancyArrowPatch(tuple(tail), tuple(head), arrowstyle=style, connectionstyle=curve, color=colour, lw=0)
    )
    if labelled:
        x, y = (tail + head) / 2 + 0.28 * left
        axes.text(x, y, f"{share:.1%}", ha="center", va="center", fontsize=8)


def _cells(shares: Array, names: Sequence[str], label: str) -> str:
    """A map of the share that each task (row) takes from each other one (column), up to the largest of them."""
    tasks = len(names)
    side = min(4.6, 1.5 + 0.38 * tasks)
    figure, axes = new_figure(side + (0.1 if tasks <= WORDS else 0.6), side)
    taken = np.ma.masked_array(shares, np.eye(tasks, dtype=bool))
    edges = np.arange(tasks + 1) - 0.5
    most = max(taken.max(), 1e-6)
    mesh = axes.pcolormesh(edges, edges, taken, cmap=colormaps["viridis"], vmin=0, vmax=most)
    size = min(9.0, 230 / tasks)
    shown = [_short(name) for name in names]
    axes.set_xticks(range(tasks), shown, rotation=90, fontsize=size)
    axes.set_yticks(range(tasks), shown, fontsize=size)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xlabel("from")
    axes.set_ylabel("to")
    if tasks > WORDS:
        axes.set_title(f"{label}: share taken", fontsize=10)
        figure.colorbar(mesh, format=lambda share, _: f"{share:.1%}").ax.tick_params(labelsize=8)
        return as_svg(figure)
    axes.set_title(f"{label}: share taken, %", fontsize=10)
    for to, source in product(range(tasks), repeat=2):
        ink = "black" if to == source else ink_on(colormaps["viridis"](shares[to, source] / most))
        text = f"{100 * shares[to, source]:.0f}"
        axes.text(source, to, text, ha="center", va="center", fontsize=8, color=ink)
    return as_svg(figure)
