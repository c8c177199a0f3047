"""Cityscapes (Cordts et al., CVPR 2016): streets of 50 cities with segmentation, and depth from stereo."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors
from torchvision.datasets import Cityscapes

from afanet.data.augment import Augmentation
from afanet.data.data_set import DataSet
from afanet.data.files import other_layout, require_path, require_shape
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.sets.present import present_items
from afanet.data.transforms import DepthMap, evaluation, training
from afanet.errors import InputError
from afanet.json_text import read_json
from afanet.label_files import read_image
from afanet.photo import read_photo
from afanet.tasks import Depth, Segmentation

EXPECTED = (
    "a folder with leftImg8bit/ and gtFine/, and disparity/ for depth, unpacked from the zip files of "
    "www.cityscapes-dataset.com"
)
VOID, UNKNOWN = 255, 254
# Half a pixel of disparity means 7 m at 80 m, and 1 m at 30 m: larger depths count as not measured.
FAR = 80.0
BASELINE, FX = 0.209313, 2262.52  # in metres and pixels, as in most camera files

CLASSES = tuple(kind.name for kind in Cityscapes.classes if kind.train_id not in (VOID, -1))


def open_cityscapes(root: Path | None = None, size: Size = (256, 512), *, augment: Augmentation = True) -> Data:
    """Cityscapes with `segmentation` into its benchmark's 19 classes and `depth` in metres: 2975 and 500 images.

    The test split here is the published `val`, since the labels of `test` are not public. Depth comes from the
    published disparity maps, with each image's own camera if `camera/` exists; beyond 80 m it counts as not
    measured. Without a folder `disparity/` there is no task `depth`.
    """
    root = require_path(root, "cityscapes", EXPECTED)
    for folder in ("leftImg8bit", "gtFine"):
        for split in ("train", "val"):
            # otherwise torchvision would unpack archives into the folder
            if not (root / folder / split).is_dir():
                raise other_layout(root, "cityscapes", f"{EXPECTED} ({folder}/{split}/ is not there)")
    depth = (root / "disparity").is_dir()
    streets = Streets(root, depth)
    train, problems = present_items(streets, list_streets(root, "train"))
    test, more = present_items(streets, list_streets(root, "val"))
    warnings = [] if depth else [f"{root} has no disparity/: there is no task 'depth'"]
    return Data(
        train=Split(streets, train, training(size, zoom=1.5, augment=augment)),
        test=Split(streets, test, evaluation(size)),
        tasks={"segmentation": Segmentation(CLASSES, void=VOID)} | ({"depth": Depth(FAR)} if depth else {}),
        describe=f"cityscapes: {len(train)} training and {len(test)} test images (val) of "
        f"{len({street.city for street in train + test})} cities, 19 classes{' and depth' if depth else ''}, "
        f"at {size[0]}x{size[1]}",
        problems=problems + more,
        warnings=warnings,
    )


class Street(NamedTuple):
    """One image: its published split, its city, and the common beginning of its files' names."""

    split: str
    city: str
    name: str


def list_streets(root: Path, split: str) -> list[Street]:
    """The images of a split, in torchvision's order."""
    try:
        images = Cityscapes(root, split, mode="fine", target_type="semantic").images
    except OSError as error:  # a file where a city's folder should be
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}), expected a city's folder") from None
    paths = sorted(map(Path, images))
    return [Street(split, path.parent.name, path.name.removesuffix("_leftImg8bit.png")) for path in paths]


class Streets(Reader):
    """Reader of images with their labels and, if `depth` is wanted, their disparity and camera."""

    def __init__(self, root: Path, depth: bool):
        self.root = root
        self.kinds = {"leftImg8bit": "_leftImg8bit.png", "gtFine": "_gtFine_labelIds.png"}
        if depth:
            self.kinds["disparity"] = "_disparity.png"
        if depth and (root / "camera").is_dir():
            self.kinds["camera"] = "_camera.json"
        self.table = np.full(256, UNKNOWN, np.uint8)
        for kind in Cityscapes.classes:
            if kind.id >= 0:
                self.table[kind.id] = kind.train_id

    def files(self, street: Street) -> tuple[Path, ...]:
        split, city, name = street
        return tuple(self.root / folder / split / city / f"{name}{end}" for folder, end in self.kinds.items())

    def group(self, street: Street) -> str:
        return street.city

    def __call__(self, street: Street) -> Sample:
        paths = dict(zip(self.kinds, self.files(street), strict=True))
        image = read_photo(paths["leftImg8bit"])
        ids = read_image(paths["gtFine"], "L", "label map")
        labels = self.table[ids]
        if UNKNOWN in labels:
            stray = ids[labels == UNKNOWN][0]
            raise InputError(f"{paths['gtFine']} has label {stray}, expected 0 to 33: copy it again")
        maps = {"gtFine": ids}
        targets: dict[str, torch.Tensor] = {"segmentation": tv_tensors.Mask(torch.from_numpy(labels))}
        if "disparity" in paths:
            maps["disparity"] = read_image(paths["disparity"], "I;16", "disparity map")
            camera = read_camera(paths["camera"]) if "camera" in paths else (BASELINE, FX)
            targets["depth"] = DepthMap(torch.from_numpy(metres(maps["disparity"], *camera))[None])
        for kind, values in maps.items():
            require_shape(paths[kind], values.shape, paths["leftImg8bit"], image.shape[:2])
        return {
            "image": tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1)),
            "targets": targets,
            "id": f"cityscapes/{'/'.join(street)}",
        }


def metres(stored: NDArray[np.uint16], baseline: float, fx: float) -> NDArray[np.float32]:
    """Depth in metres, 0 where it is unknown, from disparity as the files store it.

    A stored value p > 0 is a disparity of d = (p - 1) / 256 pixels, and depth is baseline * fx / d, with the baseline
    in metres and the focal length in pixels; 0 means not matched, and 1 is at infinity.

    >>> metres(np.array([0, 1, 257, 8193], np.uint16), baseline=0.2, fx=2000.0).tolist()
    [0.0, 0.0, 0.0, 12.5]
    """
    disparity = (stored.astype(np.float32) - 1) / 256
    near = disparity >= baseline * fx / FAR
    return np.where(near, baseline * fx / np.where(near, disparity, 1), 0).astype(np.float32)


def read_camera(path: Path) -> tuple[float, float]:
    """The stereo baseline in metres and the focal length in pixels of a camera file."""
    camera = read_json(path)
    try:
        baseline, fx = float(camera["extrinsic"]["baseline"]), float(camera["intrinsic"]["fx"])
    except (ValueError, OverflowError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path} cannot be read as a camera file ({error!r:.80}): copy it again") from error
    if not (0 < baseline < 10 and 0 < fx < 1e5):
        raise InputError(
            f"{path} has baseline {baseline} m and fx {fx} pixels, expected about 0.2 and 2260: copy it again"
        )
    return baseline, fx


DATA_SET = DataSet(
    open=open_cityscapes,
    marks=("leftImg8bit", "gtFine", "disparity"),
    licence="the Cityscapes terms: non-commercial use such as research and teaching, no redistribution",
)
