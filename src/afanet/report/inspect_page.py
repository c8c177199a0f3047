"""The page of one run: who takes what on the test split, and where in single photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from afanet.data.transforms import denormalise
from afanet.inspection.inspect_run import Inspection
from afanet.normalisation import IMAGENET, Normalisation
from afanet.report.connections import connections, section
from afanet.report.constant import constant_content, constant_section
from afanet.report.flows import flow_drawing, together
from afanet.report.pictures import as_url
from afanet.report.template import render


def inspect_page(
    title: str,
    ids: Sequence[str],
    images: Tensor | None,
    inspection: Inspection,
    normalisation: Normalisation = IMAGENET,
) -> str:
    """One HTML file: flows, profiles and cuts of an inspection, and for each photo maps of what is taken where.

    Photos are `images` (B, C, H, W), normalised by `normalisation`, with their `ids`, in the order of the inspection;
    None without photos. Scores with constant gates follow, if the inspection has them.
    """
    pairs = zip(ids, images, strict=True) if images is not None else ()
    photos = [
        _photo(index, denormalise(image, normalisation), inspection) | {"id": name}
        for index, (name, image) in enumerate(pairs)
    ]
    return render(
        "inspect_page.html",
        title=title,
        note=inspection.note,
        section=section(inspection.readings, inspection.cuts, inspection.tasks),
        constant=inspection.constant and constant_section(inspection.constant, inspection.tasks),
        photos=photos,
    )


def inspect_content(ids: Sequence[str], inspection: Inspection) -> dict[str, Any]:
    """The same content for JSON, with the shares of each photo; `constant` only if constant gates were scored."""
    names = list(inspection.tasks)
    rows = [
        row | {"changes": {name: asdict(change) for name, change in row["changes"].items()}}
        for row in connections(inspection.readings, inspection.cuts, names)
    ]
    photos = {
        name: {layer: reading.flow[index].tolist() for layer, reading in inspection.photos.items()}
        for index, name in enumerate(ids)
    }
    content = {"note": inspection.note, "tasks": names, "connections": rows, "photos": photos}
    if inspection.constant:
        content["constant"] = constant_content(inspection.constant, inspection.tasks)
    return content


def _photo(index: int, photo: NDArray[np.uint8], inspection: Inspection) -> dict[str, Any]:
    """A photo, a map for each layer and task (one if all tasks share it), and its flows unless they equal the mean."""
    names = list(inspection.tasks)
    maps = []
    for layer, kinds in inspection.gates.items():
        if "spatial" in kinds:
            own = {name: kinds["spatial"][index, number, number, 0].numpy() for number, name in enumerate(names)}
            for task, kept in together(own, lambda maps: np.mean(maps, 0)).items():
                maps.append((layer, task, as_url(overlay(photo, 1 - kept), "JPEG")))
    flows = []
    for layer, reading in inspection.photos.items():
        if not reading.flow[index].allclose(inspection.readings[layer].flow.mean(0), atol=1e-6):
            flows.append(flow_drawing(reading.flow[index].double().numpy(), names, layer))
    return {"picture": as_url(photo, "JPEG"), "maps": maps, "flows": flows}


def overlay(photo: NDArray[np.uint8], taken: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The photo (H, W, 3) in grey under the share taken from other tasks, 0 to 1 on any grid; dark means nothing is
    taken.

    >>> overlay(np.zeros((2, 2, 3), np.uint8), np.zeros((1, 1), np.float32))[0, 0].tolist()
    [44, 0, 54]
    """
    height, width = photo.shape[:2]
    small = Image.fromarray(taken.clip(0, 1).astype(np.float32), mode="F")
    colours = colormaps["viridis"](np.asarray(small.resize((width, height), Image.Resampling.BILINEAR)), bytes=True)
    grey = photo.mean(2, keepdims=True)
    mixed: NDArray[np.uint8] = (0.35 * grey + 0.65 * colours[..., :3]).astype(np.uint8)
    return mixed
