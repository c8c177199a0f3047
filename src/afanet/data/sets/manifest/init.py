"""A first manifest and recipe for a folder of images."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from afanet.data.checks.proportions import MOST
from afanet.data.sets.manifest.contents import Contents
from afanet.data.sets.manifest.folder import read_folder
from afanet.data.sets.manifest.splits import choose_splits
from afanet.data.sided_names import pair_names, side_of, unpaired_names
from afanet.errors import InputError
from afanet.files import write_all
from afanet.networks.methods import listed
from afanet.photo import photo_size, read_photo
from afanet.tasks.kinds import KINDS

MANIFEST, RECIPE = "manifest.csv", "recipe.yaml"
LONGEST = 256  # side of the images that the recipe trains on, pixels
STEP = 32  # of both sides
LOOKED_AT = 1000  # images at least, if there are so many, whose proportions are compared
LETTERBOX = "  resize: letterbox # images of other proportions keep them, with void around; or stretch, or crop\n"
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


def init_manifest(folder: Path) -> str:
    """Write `manifest.csv` and `recipe.yaml` into a folder of images, and return a summary for the user.

    Images are in the folder itself, in `images/`, or in one folder for each class; targets of the same names are in
    the folders of their kind of task, such as `segmentation/` (or `labels/`, `masks/`) and `depth/`. Folders of splits,
    such as `train/` and `val/`, at any level of these, are kept as the splits. Without them a tenth of the labelled
    images, chosen by a hash of their names, is for testing, another for validation. Raises `InputError` if
    there is nothing to learn from, two files would have the same name, or a file to write exists; then nothing is
    written.
    """
    for name in (MANIFEST, RECIPE):
        if (folder / name).exists():
            raise InputError(f"{folder / name} exists and is never overwritten: move it away first")
    contents = read_folder(folder)
    labelled = {name: column.cells for name, column in contents.columns.items()}
    splits, how = choose_splits(contents.splits, labelled)
    write_all({folder / MANIFEST: _manifest(contents, splits), folder / RECIPE: _recipe(contents, splits, folder)})
    counts = [list(splits.values()).count(name) for name in ("train", "validation", "test")]
    lines = [f"{folder}: {len(contents.images)} images"]
    lines += [f"  {name}: {column.summary}" for name, column in contents.columns.items()]
    if contents.unpaired:
        lines += [
            f"  left out: {len(contents.unpaired)} files that no image has the name of, such as {contents.unpaired[0]}"
        ]
    listed = "listed with their folders' splits" if contents.splits else "listed as train"
    if bare := [image for image in contents.images if image not in splits]:
        lines += [f"  without any label: {len(bare)} images, such as {bare[0]}: {listed}, no part of the split"]
    if contents.outside:
        lines += [f"  left out: {len(contents.outside)} images in no folder of a split, such as {contents.outside[0]}"]
    lines += [f"{how}: {counts[0]} train, {counts[1]} validation, {counts[2]} test"]
    for split in ("train", "test"):
        lacking = [name for name, images in labelled.items() if all(splits[image] != split for image in images)]
        lines += [f"warning: split {split} has no label for {name}: label more images" for name in lacking]
    lines += [f"written: {folder / MANIFEST}, {folder / RECIPE}"]
    lines += [f"next: look over {folder / RECIPE}, then", f"  afanet data check {folder}"]
    return "\n".join([*lines, f"  afanet train {folder / RECIPE}"])


def _manifest(contents: Contents, splits: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "split", *contents.columns])
    for image in contents.images:
        cells = [column.cells.get(image, "") for column in contents.columns.values()]
        writer.writerow([image, splits.get(image) or contents.splits.get(image, "train"), *cells])
    return text.getvalue()


def _recipe(contents: Contents, splits: dict[str, str], folder: Path) -> str:
    height, width = read_photo(folder / contents.images[0]).shape[:2]
    scale = min(1, LONGEST / max(height, width))
    height, width = (max(STEP, round(side * scale / STEP) * STEP) for side in (height, width))
    tasks = [
        f"{_remark(name, column.declared)}      {name}: {_flow(column.declared | sides(name, column.declared))}"
        for name, column in contents.columns.items()
    ]
    return TEMPLATE.format(
        name=_flow(folder.resolve().name or "mine"),
        height=height,
        width=width,
        resize=LETTERBOX if _uneven([folder / image for image in contents.images], width / height) else "",
        manifest=MANIFEST,
        tasks="\n".join(tasks),
        methods=listed(),
        method="afa" if len(contents.columns) > 1 else "single",
        stride=32 if list(contents.columns) == ["label"] else 16,
        batch=min(8, list(splits.values()).count("train")),
    )


def sides(name: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """What the declaration of a task says of mirror images, by its own name and those of its classes.

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


def _uneven(images: list[Path], ratio: float) -> bool:
    """Whether the proportions of images differ by more than a tenth, from one another or from `ratio`.

    What cannot be read is for `data check` to say.
    """
    ratios = [ratio]
    for image in images[:: max(1, len(images) // LOOKED_AT)]:
        with suppress(InputError):
            height, width = photo_size(image)
            ratios.append(width / height)
    return max(ratios) / min(ratios) > MOST


def _remark(name: str, declared: Mapping[str, Any]) -> str:
    remarks = [KINDS[declared["kind"]].column_class.remark, SIDES.get(next(iter(sides(name, declared)), ""), "")]
    return "".join(f"      # {remark}\n" for remark in remarks if remark)


def _flow(value: Any) -> str:
    """A value as YAML in one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
