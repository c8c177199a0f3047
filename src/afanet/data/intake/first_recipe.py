"""A first recipe for what was detected in a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from afanet.data.checks.proportions import MOST
from afanet.data.intake.contents import Contents
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.data.sided_names import pair_names, side_of, unpaired_names
from afanet.errors import InputError
from afanet.networks import Pooled
from afanet.networks.methods import listed
from afanet.photo import photo_size
from afanet.tasks.kinds import KINDS

LONGEST = 256  # longest side of the images that the recipe trains on, in pixels
STEP = 32  # both sides are multiples of this
ODD = 2  # ratio to the usual side of an image beyond which an image is unusual
BATCH, POOLED_BATCH = 8, 32  # images, for maps and for values only
LOOKED_AT = 1000  # fewest images whose proportions are compared, if there are so many
LETTERBOX = "  resize: letterbox # images of other proportions keep them, with padding around; or stretch, or crop\n"
SIDES = {
    "swap": "swap: in a mirrored image these classes exchange their sides",
    "mirror": "mirror: false, since its name or a class tells of a side: no image is mirrored in training",
}
TEMPLATE = """\
# Written by `afanet data init`: look it over, then `afanet data check` and `afanet train` this file.
name: {name}

data:
  name: manifest
  root: . # the folder of this file
  size: [{height}, {width}] # height and width to which images are resized
{resize}  options:
    manifest: {manifest}
    tasks:
{tasks}

network:
  method: {method} # {methods}
  backbone: resnet18 # any timm model with stages or blocks
  weights: none # better: pretrained (timm downloads them), or a file of ImageNet weights
  output_stride: {stride}

optimizer:
  name: adamw
  lr: 0.001 # from scratch; with weights take 0.0003
  weight_decay: 0.01

schedule:
  name: cosine
  warmup: 0.05

epochs: 20
batch_size: {batch}
workers: 2
"""


def write_recipe(contents: Contents, splits: Mapping[str, str], folder: Path) -> str:
    """The text of a recipe that trains all tasks of `contents`."""
    (height, width), uneven = _size([folder / image for image in contents.images])
    pooled = all(
        isinstance(task.output, Pooled)
        for _, task in declare_tasks({name: column.declared for name, column in contents.columns.items()}).values()
    )
    tasks = [
        f"{_remark(name, column.declared)}      {_flow(name)}: {_flow(column.declared | sides(name, column.declared))}"
        for name, column in contents.columns.items()
    ]
    return TEMPLATE.format(
        name=_flow(folder.resolve().name or "mine"),
        height=height,
        width=width,
        resize=LETTERBOX if uneven else "",
        manifest="manifest.csv",
        tasks="\n".join(tasks),
        methods=listed(),
        method="afa" if len(contents.columns) > 1 else "single",
        stride=32 if pooled else 16,
        batch=min(POOLED_BATCH if pooled else BATCH, Counter(splits.values())["train"]),
    )


def sides(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What a task must declare about mirror images, by its own name and those of its classes.

    >>> sides("label", {"kind": "classification", "classes": ["left", "right", "both"]})
    {'swap': {'left': 'right'}}
    >>> sides("label", {"kind": "classification", "classes": ["left", "none"]}), sides("depth", {"kind": "depth"})
    ({'mirror': False}, {})
    """
    names = declared.get("classes", declared.get("labels", []))
    pairs = pair_names(names)
    if side_of(name) or unpaired_names(names, [other for pair in pairs.items() for other in pair]):
        return {"mirror": False}
    return {"swap": pairs} if pairs else {}


def _size(images: Sequence[Path]) -> tuple[tuple[int, int], bool]:
    """The height and width to train at, and whether the proportions of images differ by more than a tenth.

    The size is that of the first image, unless its sides are more than twice or less than half the usual ones. The
    first image must be readable; `data check` reports any other that is not.
    """
    first = photo_size(images[0])
    sizes = [first]
    for image in images[:: max(1, len(images) // LOOKED_AT)]:
        with suppress(InputError):
            sizes.append(photo_size(image))
    usual = (round(median(height for height, _ in sizes)), round(median(width for _, width in sizes)))
    odd = any(max(side / other, other / side) > ODD for side, other in zip(first, usual, strict=True))
    chosen = usual if odd else first
    scale = min(1, LONGEST / max(chosen))
    height, width = (max(STEP, round(side * scale / STEP) * STEP) for side in chosen)
    ratios = [size[1] / size[0] for size in [*sizes, (height, width)]]
    return (height, width), max(ratios) / min(ratios) > MOST


def _remark(name: str, declared: Mapping[str, Any]) -> str:
    remarks = [KINDS[declared["kind"]].column_class.remark, SIDES.get(next(iter(sides(name, declared)), ""), "")]
    return "".join(f"      # {remark}\n" for remark in remarks if remark)


def _flow(value: Any) -> str:
    """A value as YAML in one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
