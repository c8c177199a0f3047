"""Kept features of a frozen trunk: a folder beside the cache of the data, read in training instead of images.

A folder `CONTENT-features-DIGEST` has one `.npy` file for each tensor that the trunk gives, with a row for every
training image, the labels of these images, and `index.json` with the ids and a description of trunk and images, whose
hash is DIGEST. If there are several views of each image, all rows of the first view come first, then the second's.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data.cache import MOST_BYTES, map_array
from afanet.data.prepare import ArrayFile
from afanet.data.sample import Batch, Reader, Sample, Split
from afanet.errors import InputError
from afanet.files import path_in
from afanet.json_text import read_json, to_json

Description = dict[str, Any]  # of a trunk and the images that it saw, as plain values
PART = "-features-"
LARGEST = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class Stored:
    """A folder of features: the data and the trunk that it was made from, or a sentence about its `damage`."""

    path: Path
    content: str
    description: Description = field(compare=False)
    damage: str = ""

    @property
    def views(self) -> int:
        """How many augmented views of each image there are; 0 for the images as evaluation sees them."""
        return int(self.description["views"])


def features_folder(folder: Path, content: str, description: Description) -> Path:
    """The folder, under `folder`, of the features that this trunk gives for data with this content."""
    digest = blake2b(to_json(description, sort_keys=True).encode(), digest_size=8).hexdigest()
    return path_in(folder, f"{content}{PART}{digest}")


def stored_features(folder: Path) -> Iterator[Stored]:
    """Every folder of features under `folder`.

    If its index is damaged, or describes another trunk than its name, `damage` says so instead of a description.
    """
    for path in sorted(folder.glob(f"*{PART}*")):
        content = path.name.partition(PART)[0]
        try:
            yield Stored(path, content, _description(path, content))
        except InputError as error:
            yield Stored(path, content, {}, str(error))


def _description(path: Path, content: str) -> Description:
    """The description in a folder of features; raises `InputError` if it is damaged."""
    description: Description = _index(path)["description"]
    if features_folder(path.parent, content, description) != path:
        raise InputError(
            f"{path} has features of another backbone, of other weights or of other images than its name says: "
            "remove it, and run `afanet data prepare` with --features again"
        )
    return description


def write_features(
    path: Path, description: Description, rows: int, batches: Iterable[Batch], advance: Callable[[int], None]
) -> bool:
    """Write the features of `batches`, `rows` samples in all, into the folder `path`; False if it exists already.

    The folder is written under a temporary name and renamed at the end. Raises `InputError`, and leaves nothing behind,
    for features that half precision cannot hold and for a full disk.
    """
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if path.is_dir():
                return False
            partial = Path(tempfile.mkdtemp(suffix=".partial", dir=folder))
            try:
                index = {"description": description, **_write_rows(partial, rows, batches, advance)}
                (partial / "index.json").write_text(to_json(index), encoding="utf-8")
                partial.rename(path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            return True
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"features {path} cannot be written ({reason}): make room, or set AFANET_CACHE") from None


class KeptFeatures(Reader):
    """Reads samples from a folder of features, by the number of the image; the samples' images have no pixels.

    Torch's generator draws one of the views of each image. Raises `InputError` for a damaged folder.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._open()

    def _open(self) -> None:
        index = _index(self.folder)
        try:
            self.ids: list[str] = index["ids"]
            views = int(index["description"]["views"])
            self.views, self.augmented = max(1, views), views > 0
            channels, height, width = map(int, index["image"])
            self.shape = channels, height, width
            self.images = len(self.ids) // self.views
            self.features = {name: self._rows(f"features.{name}") for name in index["features"]}
            self.targets = {task: self._rows(f"target.{task}") for task in index["targets"]}
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise _damaged(self.folder, error) from None

    def _rows(self, name: str) -> Any:
        array = map_array(path_in(self.folder, f"{name}.npy"))
        if len(array) != len(self.ids):
            raise ValueError(f"{name} has {len(array)} rows for {len(self.ids)} samples")
        return array

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}  # a pickled memory map would hold all the data that it maps

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def split(self) -> Split:
        """The training split: samples with features and labels."""
        return Split(self, range(self.images), v2.Identity())

    def __call__(self, item: int) -> Sample:
        view = int(torch.randint(self.views, ())) if self.views > 1 else 0
        return self.row(view * self.images + item)

    def row(self, row: int) -> Sample:
        """The sample in one row: first come all images in their first view, then in the second."""
        targets = {task: torch.from_numpy(array[row, ...]) for task, array in self.targets.items()}
        features = {name: torch.from_numpy(array[row, ...]) for name, array in self.features.items()}
        image = tv_tensors.Image(torch.zeros(1, 1, 1).expand(self.shape))
        return {"image": image, "targets": targets, "id": self.ids[row], "features": features}


def _write_rows(folder: Path, rows: int, batches: Iterable[Batch], advance: Callable[[int], None]) -> dict[str, Any]:
    ids: list[str] = []
    shape: list[int] = []  # of an image
    arrays: dict[str, ArrayFile] = {}
    with ExitStack() as files:
        for batch in batches:
            features = {f"features.{name}": _halved(x) for name, x in batch["features"].items()}
            tensors = features | {f"target.{task}": x for task, x in batch["targets"].items()}
            shape = list(batch["image"].shape[1:])
            if not arrays:
                _require_room(folder, rows * sum(x[0].nbytes for x in tensors.values()))
                arrays = {
                    name: files.enter_context(ArrayFile(path_in(folder, f"{name}.npy"), rows)) for name in tensors
                }
            for number, sample in enumerate(batch["id"]):
                for name, x in tensors.items():
                    arrays[name].put(len(ids), x[number].contiguous().numpy())
                ids.append(sample)
            advance(len(batch["id"]))
    names = {
        kind: [name.partition(".")[2] for name in arrays if name.startswith(kind)] for kind in ("features", "target")
    }
    return {"ids": ids, "image": shape, "features": names["features"], "targets": names["target"]}


def _halved(x: Tensor) -> Tensor:
    half = x.to(torch.float16)
    if not half.isfinite().all():
        largest = float(x.abs().max())
        reason = f"reach {largest:.3g}" if math.isfinite(largest) else "are not finite"
        raise InputError(
            f"the trunk's features {reason}, but half precision, in which they are kept, ends at {LARGEST:.0f}: train "
            "without kept features, or choose other weights"
        )
    return half


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"the features need {needed / 1e9:.1f} GB, and the disk of {folder.parent} has {free / 1e9:.1f} GB left: "
            "make room, freeze fewer stages or give fewer --views, or set AFANET_CACHE"
        )


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = read_json(folder / "index.json", MOST_BYTES)
        if not isinstance(index["description"], dict):
            raise TypeError("its description is not a mapping")
        for key in ("views", "seed"):
            if not isinstance(index["description"][key], int):
                raise TypeError(f"its {key} is not a number")
        return dict(index)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None


def _damaged(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"{folder} is not a complete folder of features ({error}): remove it, and run `afanet data prepare` with "
        "--features again"
    )
