"""A picture of a few samples: image, truth and predictions side by side."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from afanet.data import Batch
from afanet.data.transforms import denormalise
from afanet.files import write_whole
from afanet.normalisation import IMAGENET, Normalisation
from afanet.tasks import ColourBar, DenseTask, Legend, PooledTask, Swatches, Task

CELL = 2.3  # width of one picture, inches
LETTERS = 40  # letters in a line of words below a picture
TALLEST = 4  # the largest height of a picture's cell, in widths


def draw_predictions(
    file: Path,
    examples: Batch,
    tasks: Mapping[str, Task],
    runs: Mapping[str, Mapping[str, Tensor]],
    normalisation: Normalisation = IMAGENET,
) -> None:
    """Write a PNG with a row for each sample: the image, then for each task the truth and what each run predicts.

    `runs` maps a title, such as the method, to the predictions by task, `(B, ...)` each. Tasks for whole images are
    written in words under the image; if there are only such tasks, the samples form one row. The images are normalised
    by `normalisation`. Where `examples` have padding, predictions are black, as truth is.
    """
    dense = [task for task in tasks.values() if isinstance(task, DenseTask)]
    pooled = [task for task in tasks.values() if isinstance(task, PooledTask)]
    samples, (height, width) = len(examples["id"]), examples["image"].shape[-2:]
    columns = 1 + len(dense) * (1 + len(runs))
    rows = samples if dense else 1
    padding = examples.get("padding", torch.zeros(samples, height, width, dtype=torch.bool))
    said = [_words(pooled, examples["targets"], runs, sample) for sample in range(samples)]
    cell_height = CELL * min(height / width, TALLEST) + 0.2 * max(len(text.splitlines()) for text in said) + 0.1
    legend_height = 0.9 if dense else 0.01
    across = columns if dense else samples
    figure = Figure(figsize=(CELL * across, cell_height * rows + legend_height + 0.3), layout="constrained")
    grid = figure.add_gridspec(rows + 1, across, height_ratios=[cell_height] * rows + [legend_height])

    for sample in range(samples):
        axes = figure.add_subplot(grid[(sample, 0) if dense else (0, sample)])
        axes.imshow(denormalise(examples["image"][sample], normalisation))
        axes.set_title("image" if dense and sample == 0 else "", fontsize=9)
        axes.set_xlabel(said[sample], fontsize=8)
        _bare(axes)
        for index, task in enumerate(dense):
            values = {"truth": examples["targets"][task.name]} | {title: run[task.name] for title, run in runs.items()}
            for offset, (title, value) in enumerate(values.items()):
                axes = figure.add_subplot(grid[sample, 1 + index * len(values) + offset])
                axes.imshow(unpadded_picture(task, value[sample], padding[sample]))
                axes.set_title(f"{task.name}: {title}" if sample == 0 else "", fontsize=9)
                _bare(axes)
    for index, task in enumerate(dense):
        first = 1 + index * (1 + len(runs))
        axes = figure.add_subplot(grid[rows, first : first + 1 + len(runs)])
        _draw_legend(axes, task.legend, _lacks_labels(task, examples["targets"][task.name], runs))
    _write(figure, file)


def unpadded_picture(task: DenseTask, value: Tensor, padding: Tensor) -> NDArray[np.uint8]:
    """The picture of one prediction or target, black in the `padding`, bool (H, W): the network is not asked there."""
    picture = task.picture(value).copy()
    picture[padding.cpu().numpy()] = 0
    return picture


def as_url(pixels: NDArray[np.uint8], form: str, longest: int = 224) -> str:
    """An RGB picture (H, W, 3) as a data URL of a JPEG, or a PNG of 64 colours, no longer than `longest` on a side."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((longest, longest), Image.Resampling.BILINEAR if form == "JPEG" else Image.Resampling.NEAREST)
    if form == "PNG":
        picture = picture.quantize(64)
    file = io.BytesIO()
    picture.save(file, form, optimize=True)
    return f"data:image/{form.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _write(figure: Figure, file: Path) -> None:
    for written in figure.findobj(Text):
        written.set_parse_math(False)  # a dollar sign in a name is literal
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120, bbox_inches="tight", pad_inches=0.1)
    write_whole(file, stream.getvalue())


def _words(
    tasks: Sequence[PooledTask], targets: Mapping[str, Tensor], runs: Mapping[str, Mapping[str, Tensor]], sample: int
) -> str:
    captions = {
        title: ", ".join(task.caption(values[task.name][sample]) for task in tasks)
        for title, values in {"truth": targets, **runs}.items()
    }
    return "\n".join(textwrap.fill(f"{title}: {words}", LETTERS) for title, words in captions.items() if tasks)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_frame_on(False)


def _lacks_labels(task: DenseTask, targets: Tensor, runs: Mapping[str, Mapping[str, Tensor]]) -> bool:
    """Whether the truth has pixels without a label, which are black."""
    return any(
        bool(task.error(prediction, target).isnan().any())
        for run in runs.values()
        for prediction, target in zip(run[task.name], targets, strict=True)
    )


def _draw_legend(axes: Axes, legend: Legend, lacks_labels: bool) -> None:
    black = [Patch(color="black", label="no label")] if lacks_labels else []
    match legend:
        case Swatches(names, colours):
            axes.set_axis_off()
            patches = [Patch(color=colour / 255, label=name) for name, colour in zip(names, colours, strict=True)]
            axes.legend(handles=patches + black, ncols=5, loc="upper center", fontsize=7, frameon=False)
        case ColourBar(colours, low, high, unit):
            bar = axes.inset_axes((0.05, 0.65, 0.9, 0.2))
            bar.imshow(colours[None], aspect="auto", extent=(low, high, 0, 1))
            bar.set_yticks([])
            bar.tick_params(labelsize=7)
            bar.set_xlabel(unit, fontsize=7)
            axes.set_axis_off()
            if black:
                scale = axes.figure.dpi_scale_trans
                below = bar.transAxes + ScaledTranslation(0, -24 / 72, scale)  # in inches: the numbers and the unit
                anchor = {"bbox_to_anchor": (0.5, 0), "bbox_transform": below}
                axes.legend(handles=black, loc="upper center", fontsize=7, frameon=False, **anchor)
