"""Charts as SVG that take their ink colour from the page, so that they are readable in light and dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from itertools import count, cycle

import matplotlib as mpl
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from afanet.comparison.statistics import Change
from afanet.tasks.drawing.palette import palette

Line = tuple[Sequence[float], NDArray[np.float64]]  # x, and a row of y for each seed

_numbers = count()


def colours(titles: Sequence[str]) -> dict[str, str]:
    """A colour for each method, distinguishable under the common colour deficiencies.

    >>> colours(["single", "afa"])
    {'single': '#3f90da', 'afa': '#ffa90e'}
    """
    table = palette(len(titles))
    return {title: "#" + bytes(colour.tolist()).hex() for title, colour in zip(titles, table, strict=True)}


def as_svg(figure: Figure) -> str:
    """The figure as an SVG element without a background, whose black is the page's own ink."""
    for words in figure.findobj(Text):
        words.set_parse_math(False)  # a dollar sign in a name is literal
    stream = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": str(next(_numbers))}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Type": None})
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace("#000000", "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(xmlns:xlink|width|height)="[^"]*(?:pt|xlink)"', "", svg, count=3).replace("xlink:href", "href")
    # in tags only: a name may contain such text
    return re.sub(r'(<[^<>]*style="[^"<>]*)font: ([\d.]+)px [^;"<>]*', r"\1font-size: \2px", svg)


def lines(series: Mapping[str, Line], ink: Mapping[str, str], label: str, x_label: str = "epoch") -> str:
    """A line for each method through the mean of its seeds, in a band from the lowest to the highest value.

    A line has a gap where a seed has no value, because the mean would be over fewer seeds.
    """
    figure, axes = new_figure()
    for title, (x, y) in series.items():
        axes.plot(x, np.mean(y, 0), color=ink[title], label=title, marker="o" if len(x) < 12 else None, ms=3)
        if len(y) > 1:
            axes.fill_between(x, np.min(y, 0), np.max(y, 0), color=ink[title], alpha=0.2, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(x_label)
    axes.set_title(label, fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    return as_svg(figure)


def forest(changes: Mapping[str, Change], words: Mapping[str, str], ink: Mapping[str, str], label: str) -> str:
    """A point for each method with its interval, and a line at zero; `words` has the verdict on each."""
    figure, axes = new_figure(height=1.1 + 0.4 * len(changes))
    for row, (title, change) in enumerate(changes.items()):
        if change.low == change.low:
            axes.plot([change.low, change.high], [row, row], color=ink[title], lw=3, alpha=0.5)
        axes.plot(change.mean, row, "o", color=ink[title])
    axes.axvline(0, color="black", lw=1)
    axes.set_yticks(range(len(changes)), [f"{title}\n{words[title]}" for title in changes])
    axes.set_ylim(len(changes) - 0.5, -0.5)
    axes.set_xlabel(label)
    return as_svg(figure)


def scatter(points: Mapping[str, tuple[float, float]], ink: Mapping[str, str], x_label: str, y_label: str) -> str:
    """A point for each method, with its own marker: cost to the right, from zero on, gain upwards."""
    figure, axes = new_figure()
    for marker, (title, (x, y)) in zip(cycle("osD^vP*X"), points.items(), strict=False):
        axes.plot(x, y, marker, color=ink[title], ms=8, label=title)
    axes.margins(0.1)
    axes.set_xlim(0, 1.1 * max(x for x, _ in points.values()))  # so that nearly equal costs lie close together
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return as_svg(figure)


def bars(values: Mapping[str, Mapping[str, float]], names: Sequence[str], ink: Mapping[str, str], label: str) -> str:
    """A bar for each method and class, to the left or right of zero."""
    columns = 3
    rows = -(-len(values) // columns)
    figure, axes = new_figure(height=1.0 + 0.2 * rows + 0.14 * len(names) * (len(values) + 1))
    thick = 0.8 / max(1, len(values))
    for number, (title, by_class) in enumerate(values.items()):
        positions = np.arange(len(names)) + (number - (len(values) - 1) / 2) * thick
        axes.barh(positions, [by_class[name] for name in names], height=thick, color=ink[title], label=title)
    axes.axvline(0, color="black", lw=1)
    axes.set_yticks(range(len(names)), list(names), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=8)  # bars may be anywhere
    return as_svg(figure)


def confusion(matrix: NDArray[np.float64], names: Sequence[str], title: str) -> str:
    """Rows are the truth, columns the prediction, darkness the share of the row."""
    side = 1.6 + 0.27 * len(names)
    figure, axes = new_figure(width=side + 0.4, height=side)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    edges = np.arange(len(names) + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap="viridis", vmin=0, vmax=1)
    if len(names) <= 15:
        for i, j in np.argwhere(shares >= 0.05):
            axes.text(
                j,
                i,
                f"{100 * shares[i, j]:.0f}",
                ha="center",
                va="center",
                fontsize=6,
                color=ink_on(colormaps["viridis"](shares[i, j])),
            )
    axes.set_xticks(range(len(names)), list(names), rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), list(names), fontsize=7)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set_xlabel("prediction", fontsize=8)
    axes.set_ylabel("truth", fontsize=8)
    axes.set_title(f"{title}, % of the truth", fontsize=10)
    return as_svg(figure)


def ink_on(colour: Sequence[float]) -> str:
    """White or nearly black, whichever is easier to read on a colour of red, green and blue from 0 to 1.

    >>> ink_on((0, 0, 0)), ink_on((1, 1, 0))
    ('white', '#010101')
    """
    red, green, blue = (((value + 0.055) / 1.055) ** 2.4 for value in colour[:3])
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179 else "#010101"


def new_figure(width: float = 4.6, height: float = 3.0) -> tuple[Figure, Axes]:
    """A figure of this size in inches, with axes that are open at the right and the top."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes
