"""What every data set gives: samples, and the batches, splits and tasks made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import torch
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from afanet.tasks import Task

Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]  # (H, W) in pixels


class Sample(TypedDict):
    """One image with its targets by task name; `id` leads back to the source file and index."""

    image: tv_tensors.Image
    targets: dict[str, Tensor]
    id: str


class Batch(TypedDict):
    """Samples stacked: image (B, 3, H, W), every target with a leading B."""

    image: Tensor
    targets: dict[str, Tensor]
    id: list[str]


class Split(Dataset[Sample]):
    """The samples that `read` gives for `items`, each passed through `transform`.

    `read(item)` returns a sample as it lies on disk: a uint8 image (3, H, W), class maps as
    `tv_tensors.Mask`, depth as `transforms.DepthMap`, class ids as plain tensors.

    >>> from torchvision.transforms import v2
    >>> def read(item: int) -> Sample:
    ...     image = tv_tensors.Image(torch.full((3, 2, 2), item, dtype=torch.uint8))
    ...     return {"image": image, "targets": {"age": torch.tensor(item)}, "id": f"toy/{item}"}
    >>> split = Split(read, items=[4, 7], transform=v2.Identity())
    >>> len(split), split[1]["id"]
    (2, 'toy/7')
    """

    def __init__(self, read: Callable[[Any], Sample], items: Sequence[Any], transform: Callable[[Any], Any]):
        self.read = read
        self.items = items
        self.transform = transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        sample: Sample = self.transform(self.read(self.items[index]))
        return sample


@dataclass(frozen=True)
class Data:
    """A data set that is ready to train on; `describe` says in one line what it holds."""

    train: Dataset[Sample]
    test: Dataset[Sample]
    tasks: dict[str, Task]
    describe: str


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size into a batch of plain tensors, the `collate_fn` of a `DataLoader`.

    >>> image = tv_tensors.Image(torch.zeros(3, 4, 6))
    >>> batch = collate([{"image": image, "targets": {"age": torch.tensor(i)}, "id": str(i)} for i in range(2)])
    >>> batch["image"].shape, batch["targets"]["age"], batch["id"]
    (torch.Size([2, 3, 4, 6]), tensor([0, 1]), ['0', '1'])
    """
    return {
        "image": torch.stack([sample["image"].as_subclass(Tensor) for sample in samples]),
        "targets": {
            task: torch.stack([sample["targets"][task].as_subclass(Tensor) for sample in samples])
            for task in samples[0]["targets"]
        },
        "id": [sample["id"] for sample in samples],
    }
