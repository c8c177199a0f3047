"""PASCAL-Context (Mottaghi et al., CVPR 2014) with the five tasks of ASTMT (Maninis et al., CVPR 2019)."""

from __future__ import annotations

from pathlib import Path

from afanet.data.augment import Augmentation
from afanet.data.files import other_layout, require_path
from afanet.data.sample import Data, Size, Split
from afanet.data.sets.lists import read_lists
from afanet.data.sets.pascal.tree import FILES, VOID, Tree
from afanet.data.sets.present import present_items
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.tasks import Edges, HumanParts, Normals, Saliency, Segmentation

LISTS = ("ImageSets/Context/train.txt", "ImageSets/Context/val.txt")
EXPECTED = "the folder of PASCAL_MT.tgz, with JPEGImages/ and ImageSets/Context/"
MAX_DISTANCE = 0.0075  # for scoring edges, in diagonals of the image
CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def open_pascal(root: Path | None = None, size: Size = (512, 512), *, augment: Augmentation = True) -> Data:
    """PASCAL-Context with `segmentation`, `human_parts`, `saliency`, `normals` and `edges`: 4998 and 5105 images.

    `root` is the published tree PASCAL_MT. Segmentation has the 21 classes of PASCAL VOC. Human parts have seven
    classes, and images without people are not labelled for them. Saliency and normals are those that ASTMT distilled;
    normals are known only where the class also occurs indoors, in NYUv2. Edges are the borders of the 459 classes. The
    test split is the published `val`.
    """
    root = require_path(root, "pascal", EXPECTED)
    if not root.is_dir() or not (root / "JPEGImages").is_dir():
        raise other_layout(root, "pascal", EXPECTED)
    _require_all(root)
    tree = Tree(root)
    listed = read_lists(root / LISTS[0], root / LISTS[1], "JPEGImages/")
    (train, problems), (test, more) = (present_items(tree, names) for names in listed)
    return Data(
        train=Split(tree, train, training(size, zoom=2.0, augment=augment)),
        test=Split(tree, test, evaluation(size)),
        tasks={
            "segmentation": Segmentation(CLASSES, void=VOID),
            "human_parts": HumanParts(void=VOID),
            "saliency": Saliency(),
            "normals": Normals(),
            "edges": Edges(max_distance=MAX_DISTANCE),
        },
        describe=f"pascal: {len(train)} training and {len(test)} test images (val) of PASCAL-Context, five tasks, at "
        f"{size[0]}x{size[1]}",
        problems=problems + more,
    )


def _require_all(root: Path) -> None:
    """Raise `InputError` unless there is a folder of labels for every task."""
    for task, patterns in FILES.items():
        folders = [pattern.rpartition("/")[0] for pattern in patterns]
        if not any((root / folder).is_dir() for folder in folders):
            expected = " or ".join(pattern.format("NAME") for pattern in patterns)
            raise InputError(f"{root} has no labels of {task}, expected {expected} for every image: unpack it again")
