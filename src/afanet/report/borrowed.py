"""The page that shows what each task took of the others, on single images and by connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import permutations
from typing import Any

import numpy as np
from jinja2 import Environment
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from rich.table import Table
from torch import Tensor

from afanet.comparison.borrowing import Cut, Gates
from afanet.comparison.statistics import Change
from afanet.comparison.tables import show_change
from afanet.fusion import flow
from afanet.report import charts
from afanet.report.pictures import as_url, photograph
from afanet.tasks import Task


def flow_table(gates: Gates, cuts: Sequence[Cut], tasks: Mapping[str, Task]) -> Table:
    """A row a connection: how much `to` consists of `from` there, and what cutting it changes for each task."""
    table = Table("layer", "to", "from")
    table.add_column("share", justify="right")
    for name, task in tasks.items() if cuts else ():
        table.add_column(f"cut: {name} {task.main_metric}", justify="right")
    for row in connections(gates, cuts, list(tasks)):
        effects = [f"{show_change(change)}{'' if change.clear else ' ≈'}" for change in row["changes"].values()]
        table.add_row(row["layer"], row["to"], row["source"], f"{row['share']:.1%}", *effects)
    return table


def connections(gates: Gates, cuts: Sequence[Cut], names: Sequence[str]) -> list[dict[str, Any]]:
    """Every connection with its share, the mean over the images, and the changes when it is cut."""
    effects = {(cut.layer, cut.to, cut.source): cut.changes for cut in cuts}
    rows = []
    for layer, kinds in gates.items():
        strength = flow(kinds).mean(0)
        for to, source in permutations(range(len(names)), 2):
            changes: dict[str, Change] = effects.get((layer, names[to], names[source]), {})
            share = strength[to, source].item()
            rows.append({"layer": layer, "to": names[to], "source": names[source], "share": share, "changes": changes})
    return rows


def borrowed_page(
    title: str,
    ids: Sequence[str],
    images: Tensor,
    gates: Gates,
    cuts: Sequence[Cut],
    tasks: Mapping[str, Task],
    note: str,
) -> str:
    """One HTML file: flows by layer, profiles of the channel gates, and for each image maps of what was taken where."""
    names = list(tasks)
    template = resources.files("afanet.report").joinpath("borrowed_page.html").read_text(encoding="utf-8")
    page = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    ink = charts.colours(names)
    return page.render(
        title=title,
        note=note,
        tasks=tasks,
        cuts=cuts,
        rows=connections(gates, cuts, names),
        show=show_change,
        profiles=[
            charts.profile(_profiles(kinds["channel"], names), ink, layer)
            for layer, kinds in gates.items()
            if "channel" in kinds
        ],
        maps=[_maps(place, name, images[place], gates, names) for place, name in enumerate(ids)],
    )


def _maps(place: int, name: str, image: Tensor, gates: Gates, names: Sequence[str]) -> dict[str, Any]:
    """What the page shows of one image: itself, a map for each layer and task, and the flows."""
    photo = (photograph(image).numpy() * 255).astype(np.uint8)
    layers = []
    for layer, kinds in gates.items():
        if "spatial" in kinds:
            own = [kinds["spatial"][place, task, task, 0] for task in range(len(names))]
            drawn = [as_url(_overlay(photo, kept), "JPEG") for kept in own]
            layers.append((layer, list(zip(names, drawn, strict=True))))
    flows = [(layer, _strengths(flow(kinds)[place], names)) for layer, kinds in gates.items()]
    return {"id": name, "photo": as_url(photo, "JPEG"), "layers": layers, "flows": flows}


def _profiles(gates: Tensor, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """By task the share of its own that each channel keeps, sorted, a row an image."""
    return {
        name: gates[:, number, number, :, 0, 0].double().sort(1).values.numpy() for number, name in enumerate(names)
    }


def _strengths(flows: Tensor, names: Sequence[str]) -> list[tuple[str, str, float]]:
    return [(names[to], names[source], flows[to, source].item()) for to, source in permutations(range(len(names)), 2)]


def _overlay(photo: NDArray[np.uint8], own: Tensor) -> NDArray[np.uint8]:
    """The photo with what was taken of others, 1 - own, laid over it: dark is nothing, bright is everything."""
    height, width = photo.shape[:2]
    small = Image.fromarray((1 - own).clamp(0, 1).numpy().astype(np.float32), mode="F")
    taken = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    colours = colormaps["viridis"](taken, bytes=True)[..., :3]
    grey = photo.mean(2, keepdims=True)
    mixed: NDArray[np.uint8] = (0.35 * grey + 0.65 * colours).astype(np.uint8)
    return mixed
