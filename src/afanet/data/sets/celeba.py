"""CelebA (Liu et al., ICCV 2015): faces of celebrities with 40 attributes each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.datasets import CelebA

from afanet.data.augment import Augmentation
from afanet.data.data_set import DataSet
from afanet.data.files import other_layout, require_path
from afanet.data.sample import Data, Reader, Sample, Size, Split
from afanet.data.sets.present import present_items
from afanet.data.task_names import name_fault
from afanet.data.transforms import evaluation, training
from afanet.errors import InputError
from afanet.files import require_regular
from afanet.photo import read_photo
from afanet.tasks import Classification, MultiLabel, Task

LISTS = ("list_attr_celeba.txt", "identity_CelebA.txt", "list_bbox_celeba.txt", "list_landmarks_align_celeba.txt")
MOST_BYTES = 2**28  # of a list; the longest published list has 26 MB
PARTITION = "list_eval_partition.txt"
EXPECTED = (
    f"a folder celeba/ with img_align_celeba/, {', '.join(LISTS)} and {PARTITION}, from "
    "mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
)


def open_celeba(
    root: Path | None = None, size: Size = (218, 178), *, apart: bool = False, augment: Augmentation = True
) -> Data:
    """CelebA with its 40 yes-or-no `attributes` as one task, in its published training, validation and test partitions.

    `root` holds the folder `celeba`, as torchvision expects it, or is that folder. The aligned photos have 218x178
    pixels, which is the default size. With `apart`, each attribute is a task of its own instead, with the classes `no`
    and `yes`, named by `task_name`.
    """
    root = require_path(root, "celeba", EXPECTED).resolve()
    folder = root / CelebA.base_folder if (root / CelebA.base_folder).is_dir() else root
    if folder.name != CelebA.base_folder:
        raise other_layout(root, "celeba", EXPECTED)
    for name in (PARTITION, *LISTS, "img_align_celeba"):
        if not (folder / name).exists():
            raise other_layout(folder, "celeba", f"{EXPECTED} ({name} is not there)")
    lists = Lists(folder)
    faces = Faces(folder, lists, apart)
    partition = lists.read[PARTITION].data[:, 0]
    splits, problems = [], []
    for number in range(3):
        present, missing = present_items(faces, (partition == number).nonzero()[:, 0].tolist())
        splits.append(present)
        problems += missing
    train, validation, test = splits
    return Data(
        train=Split(faces, train, training(size, zoom=1.25, augment=augment)),
        validation=Split(faces, validation, evaluation(size)) if validation else None,
        test=Split(faces, test, evaluation(size)),
        tasks=faces.tasks(),
        describe=f"celeba: {len(train)} training, {len(validation)} validation and {len(test)} test faces with "
        f"{len(faces.names)} attributes{', a task each' if apart else ''}, at {size[0]}x{size[1]}",
        problems=problems,
    )


def task_name(attribute: str) -> str:
    """The name of the task for an attribute: a task's name cannot begin with a digit, so `has_` is put before it.

    >>> task_name("Male"), task_name("5_o_Clock_Shadow")
    ('Male', 'has_5_o_Clock_Shadow')
    """
    return f"has_{attribute}" if attribute[:1].isdigit() else attribute


class Lists(CelebA):
    """torchvision's CelebA without checksums, but with a check that all lists name the same photos in the same order.

    Raises `InputError`, which names the list, for a list that cannot be read. Nothing is downloaded.
    """

    def __init__(self, folder: Path):
        self.read: dict[str, Any] = {}
        super().__init__(folder.parent, split="all", target_type=["attr", "identity"], download=False)

    def _check_integrity(self) -> bool:
        return True  # the caller checks that files exist; contents are checked when the lists are read

    def _load_csv(self, filename: str, header: int | None = None) -> Any:
        path = require_regular(Path(self.root, self.base_folder, filename), MOST_BYTES)
        try:
            content = super()._load_csv(filename, header)
        except Exception as error:  # rows with too few fields, or fields that are not numbers, raise several kinds
            raise InputError(f"{path} cannot be read as a list of CelebA ({error}): copy it again") from error
        if content.data.ndim != 2 or not content.data.numel():
            raise InputError(f"{path} has no numbers beside the photos' names: copy it again")
        self.read[filename] = content
        if content.index != self.read[PARTITION].index:
            raise InputError(f"{path} is not about the photos of {PARTITION} in their order: copy the lists again")
        return content


class Faces(Reader):
    """Reader of the aligned faces, by their index in the lists; the group of a face is the person.

    The target is one vector of all attributes or, if `apart`, one number for each attribute.
    """

    def __init__(self, folder: Path, lists: Lists, apart: bool = False):
        self.photos: list[Path] = [folder / "img_align_celeba" / name for name in lists.filename]
        self.identity = lists.identity[:, 0].to(torch.int32)
        self.attributes = lists.attr.to(torch.int8)
        self.names = [name for name in lists.attr_names if name]  # the published line of names ends in a space
        self.apart = apart
        self.lists = [folder / name for name in lists.read]
        wrong = (lists.read[LISTS[0]].data.abs() != 1).any(1).nonzero()  # before torchvision converts all to 0 and 1
        where = folder / LISTS[0]
        if len(self.names) != self.attributes.shape[1]:
            raise InputError(
                f"{where} has {len(self.names)} names for {self.attributes.shape[1]} attributes: copy it again"
            )
        if len(wrong):
            raise InputError(
                f"{where} has an attribute of {lists.filename[int(wrong[0])]} that is neither -1 nor 1: copy it again"
            )

        if len(set(self.names)) < len(self.names):
            raise InputError(f"{where} has an attribute twice: copy it again")
        for name in map(task_name, self.names) if apart else ():
            if fault := name_fault(name):
                raise InputError(f"{where} has the attribute {name}, which cannot name a task, since the name {fault}")

    def tasks(self) -> dict[str, Task]:
        """The tasks that the targets belong to."""
        if not self.apart:
            return {"attributes": MultiLabel("attributes", self.names)}
        return {name: Classification(name, ("no", "yes")) for name in map(task_name, self.names)}

    def sources(self) -> list[Path]:
        return self.lists

    def files(self, index: int) -> tuple[Path]:
        return (self.photos[index],)

    def group(self, index: int) -> str:
        return f"person {int(self.identity[index])}"

    def values(self, index: int) -> dict[str, Tensor]:
        worn = self.attributes[index].long()
        return dict(zip(map(task_name, self.names), worn, strict=True)) if self.apart else {"attributes": worn}

    def __call__(self, index: int) -> Sample:
        pixels = torch.from_numpy(read_photo(self.photos[index]))
        return {
            "image": tv_tensors.Image(pixels.permute(2, 0, 1)),
            "targets": self.values(index),
            "id": f"celeba/{self.photos[index].name}",
        }


DATA_SET = DataSet(
    open=open_celeba,
    marks=("celeba/list_attr_celeba.txt", "list_attr_celeba.txt"),
    licence="non-commercial research only, by its authors' agreement",
    people=True,
)
