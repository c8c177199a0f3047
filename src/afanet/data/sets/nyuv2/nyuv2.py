"""NYUv2 (Silberman et al., ECCV 2012): indoor frames with segmentation, depth and normals, from any of four layouts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor
from torchvision.transforms import v2

from afanet.data.augment import Augmentation
from afanet.data.files import other_layout, require_path
from afanet.data.sample import Data, Size, Split
from afanet.data.sets.nyuv2.axes import turn_between
from afanet.data.sets.nyuv2.classes import VOID, class_names, label_table
from afanet.data.sets.nyuv2.eigen import EigenCrop
from afanet.data.sets.nyuv2.folders import FOLDERS, Folders
from afanet.data.sets.nyuv2.frames import Frames, from_depth
from afanet.data.sets.nyuv2.matlab import MatFile
from afanet.data.sets.nyuv2.mtan import Mtan
from afanet.data.sets.nyuv2.nyud_mt import NyudMt
from afanet.data.sets.nyuv2.splits import read_splits
from afanet.data.sets.present import present_items
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.tasks import Depth, Edges, Normals, Segmentation, Task

MAT_NAME = "nyu_depth_v2_labeled.mat"
COMPARED = 4  # frames whose normals are compared with normals from depth
MAX_DISTANCE = 0.011  # for scoring edges, in diagonals of the image
LEAST = 0.5  # mean cosine below which normals do not fit the depth
EXPECTED = (
    f"a folder with {MAT_NAME} and splits.mat; or with {', '.join(f'{folder}/' for folder in FOLDERS)} and splits.mat; "
    f"or NYUD_MT's with images/, segmentation/, depth/ and gt_sets/; or MTAN's with train/ and val/"
)


class _Layout(NamedTuple):
    """A reader, its source in words, the items of the two splits, and their problems."""

    frames: Frames
    source: str
    train: Sequence[Any]
    test: Sequence[Any]
    problems: Sequence[str] = ()


def open_nyuv2(
    root: Path | None = None,
    size: Size = (288, 384),
    *,
    classes: Literal[13, 40] | None = None,
    depth: Literal["filled", "raw"] = "filled",
    normals: bool = False,
    edges: bool = False,
    mask: Literal["all", "eigen"] = "all",
    augment: Augmentation = True,
) -> Data:
    """NYUv2 with `segmentation`, `depth` in metres and, on request, `normals` and `edges`.

    Segmentation has 40 or 13 `classes`; the default is 40 if the layout has them.

    `root` has one of four layouts, recognised from its content:

    - the official `nyu_depth_v2_labeled.mat` or its folder (894 classes, mapped by the package's tables)
    - a folder with `rgb/NNNN.jpg`, `label40/NNNN.png` (0 void, 1..40) and `depth_mm/NNNN.png`
    - NYUD_MT's folders `images`, `segmentation`, `depth`, `normals`, `edge` and `gt_sets`
    - MTAN's folders `train` and `val` with `image`, `label`, `depth` and `normal` (13 classes only)

    The first two are split by the `splits.mat` beside them (officially 795 and 654 frames); in the others, `val` is the
    test split. `depth` chooses the official file's depth with holes filled, or as measured. Normals are the layout's
    own if it has them, else computed from depth; edges are its own, else the borders of its labels. Ground truth is
    resized to `size` = (H, W) by nearest neighbour, and scores are at that size. With the `mask` "eigen", only the crop
    of `eigen.EigenCrop` counts, and only in the test split.
    """
    root = require_path(root, "nyuv2", EXPECTED)
    if classes is None:
        classes = 13 if _is_mtan(root) else 40
    layout = _open_layout(root, classes, depth, normals, edges)
    frames = layout.frames
    frames.edges = edges
    frames.cropped = mask == "eigen"
    tasks, kinds = _learnt(frames, classes, depth)
    train, missing = present_items(frames, layout.train)
    test, more = present_items(frames, layout.test)
    problems = [*layout.problems, *missing, *more]
    if frames.own_normals:
        frames.turn, unfit = _turn(root, frames, train)
        problems += unfit
    scored = evaluation(size)
    return Data(
        train=Split(frames, train, training(size, zoom=1.5, augment=augment)),
        test=Split(frames, test, v2.Compose([*scored.transforms, EigenCrop()]) if mask == "eigen" else scored),
        tasks=tasks,
        describe=f"nyuv2: {len(train)} training and {len(test)} test frames from {layout.source}, "
        f"{', '.join(kinds[:-1])} and {kinds[-1]}, at {size[0]}x{size[1]}"
        f"{', scored in the crop of Eigen et al.' if mask == 'eigen' else ''}",
        problems=problems,
    )


def _learnt(
    frames: Frames, classes: Literal[13, 40], depth: Literal["filled", "raw"]
) -> tuple[dict[str, Task], list[str]]:
    """The tasks of the frames, and their labels in words."""
    tasks: dict[str, Task] = {"segmentation": Segmentation(class_names(classes), void=VOID), "depth": Depth(10.0)}
    kinds = [f"{classes} classes", "raw depth" if depth == "raw" else "depth"]
    if frames.normals:
        tasks["normals"] = Normals()
        kinds.append("its own normals" if frames.own_normals else "normals from depth")
    if frames.edges:
        tasks["edges"] = Edges(max_distance=MAX_DISTANCE)
        kinds.append("its own edges" if frames.own_edges else "edges of labels")
    return tasks, kinds


def _open_layout(
    root: Path, classes: Literal[13, 40], depth: Literal["filled", "raw"], normals: bool, edges: bool
) -> _Layout:
    if root.is_file() or (root / MAT_NAME).is_file():
        path, folder = (root, root.parent) if root.is_file() else (root / MAT_NAME, root)
        array = "rawDepths" if depth == "raw" else "depths"
        file = MatFile(path, label_table("classes894", classes), normals, array)
        return _Layout(file, path.name, *read_splits(folder / "splits.mat", file.indices))
    if depth == "raw":
        raise InputError(f"{root} has no raw depth, which only {MAT_NAME} holds: leave the option 'depth' out")
    if any((root / folder).is_dir() for folder in FOLDERS):
        folders = Folders(root, label_table("classes40", classes), normals)
        return _Layout(folders, "folders", *read_splits(root / "splits.mat", folders.indices))
    if any((root / folder).is_dir() for folder in ("gt_sets", "segmentation")):
        nyud_mt = NyudMt(root, label_table("classes40", classes), normals, edges)
        return _Layout(nyud_mt, "NYUD_MT's folders (tested on val)", nyud_mt.train, nyud_mt.val)
    if _is_mtan(root):
        if classes != 13:
            raise InputError(f"{root} is MTAN's layout, whose labels are of 13 classes: set the option 'classes' to 13")
        mtan = Mtan(root, label_table("classes13", classes), normals)
        return _Layout(mtan, "MTAN's folders (tested on val)", mtan.train, mtan.val)
    raise other_layout(root, "nyuv2", EXPECTED)


def _is_mtan(root: Path) -> bool:
    return any((root / split / "label").is_dir() for split in ("train", "val"))


def _turn(root: Path, frames: Frames, items: Sequence[Any]) -> tuple[Tensor, list[str]]:
    """The turn from the axes of the layout's normals to ours, inferred from the depth of a few frames, and problems."""
    pairs = []
    for item in items[:: max(1, len(items) // COMPARED)][:COMPARED]:
        with suppress(InputError):  # the error is raised again when the frame is read
            targets = frames(item)["targets"]
            pairs.append((targets["normals"].as_subclass(Tensor), from_depth(targets["depth"].as_subclass(Tensor)[0])))
    turn, agreement = turn_between(pairs)
    if agreement >= LEAST or not pairs:
        return turn, []
    return turn, [
        f"{root} has normals that do not fit its depth for any direction of the axes: mean cosine {agreement:.2f}, "
        f"expected {LEAST} or more: move its folders of normals away to compute them from depth"
    ]
