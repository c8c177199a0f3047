"""What every data set provides: samples, and the splits and batches made from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NotRequired, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from afanet.limits import MOST_SIDE
from afanet.normalisation import IMAGENET, Normalisation
from afanet.tasks import Task

Side = Annotated[int, Field(ge=1, le=MOST_SIDE)]
Size = tuple[Side, Side]  # (H, W) in pixels


class Sample(TypedDict):
    """One image with its targets by task name; `id` identifies the source file and index.

    A task that is not labelled for this image has no entry in `targets`. A sample of joined data sets carries its
    `origin` to the transform, see `Reader.origin`. The image of a sample with kept `features` has no pixels and only
    gives the size. `estimates` are the answers of teachers, if they were computed beforehand. `padding` is where a
    letterboxed image has been padded, bool (H, W); without padding there is no entry.
    """

    image: tv_tensors.Image
    targets: dict[str, Tensor]
    id: str
    origin: NotRequired[tuple[int, ...]]
    features: NotRequired[dict[str, Tensor]]
    estimates: NotRequired[dict[str, Tensor]]
    padding: NotRequired[Tensor]


class Batch(TypedDict):
    """Stacked samples: image (B, C, H, W), and every task's target, kept features and estimates with a leading B.

    `attention` has the attention maps of the teachers' features. Batches that are drawn have the `padding` of their
    samples, bool (B, H, W).
    """

    image: Tensor
    targets: dict[str, Tensor]
    id: list[str]
    features: NotRequired[dict[str, Tensor]]
    estimates: NotRequired[dict[str, Tensor]]
    attention: NotRequired[dict[str, Tensor]]
    padding: NotRequired[Tensor]


class Reader(ABC):
    """Reads the items of a data set; items can be anything: indices, rows, paths.

    `reader(item)` is the sample as it is on disk: a uint8 image (C, H, W), class maps as `tv_tensors.Mask`, depth as
    `transforms.DepthMap`, normals as `transforms.NormalMap`, positions in the image as `tasks.maps.Points`, other
    values for the image as a plain tensor. It raises `InputError`, which names the file or the label that cannot be
    used.
    """

    @abstractmethod
    def __call__(self, item: Any) -> Sample: ...

    def files(self, item: Any) -> Sequence[Path]:
        """The files that this sample is read from; none if the sample is generated."""
        return ()

    def optional_files(self, item: Any) -> Sequence[Path]:
        """Further files that this sample is read from if they exist, such as a mask for each class."""
        return ()

    def sources(self) -> Sequence[Path]:
        """Further files that decide the labels, such as lists of attributes."""
        return ()

    def values(self, item: Any) -> Mapping[str, Tensor] | None:
        """The targets of this sample that are one value for the whole image; None if only reading it shows them."""
        return None

    def origin(self, item: Any) -> tuple[int, ...]:
        """The index, from 0, of this sample's data set among joined ones; more indices if that is joined itself."""
        return ()

    def group(self, item: Any) -> str | None:
        """The person or scene of this sample, which must not be in two splits; None if unknown."""
        return None

    def groups(self, items: Sequence[Any]) -> Iterable[str]:
        """The persons and scenes of `items`, each at least once."""
        if type(self).group is Reader.group:
            return ()  # without iterating over millions of items
        return (group for item in items if (group := self.group(item)) is not None)


class Transform(Protocol):
    """Steps that are applied to a sample in order, such as `v2.Compose`."""

    @property
    def transforms(self) -> Sequence[Any]: ...

    def __call__(self, sample: Sample, /) -> Any: ...


class Split(Dataset[Sample]):
    """The samples that `read` gives for `items`, each passed through `transform`.

    >>> from torchvision.transforms import v2
    >>> class Toy(Reader):
    ...     def __call__(self, item: int) -> Sample:
    ...         image = tv_tensors.Image(torch.full((3, 2, 2), item, dtype=torch.uint8))
    ...         return {"image": image, "targets": {"age": torch.tensor(item)}, "id": f"toy/{item}"}
    >>> split = Split(Toy(), items=[4, 7], transform=v2.Identity())
    >>> len(split), split[1]["id"]
    (2, 'toy/7')
    """

    def __init__(self, read: Reader, items: Sequence[Any], transform: Transform):
        self.read = read
        self.items = items
        self.transform = transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        item = self.items[index]
        sample = self.read(item)
        if origin := self.read.origin(item):
            sample["origin"] = origin
        transformed: Sample = self.transform(sample)
        return transformed


@dataclass(frozen=True)
class Streamed:
    """What is known about streamed data without their files, see `data.streams`.

    `content` is the hash of the files from which the stream was written, `rows` the number of training samples in a
    shard, and `survey` corresponds to the result of `checks.kept.read_kept` for a cache.
    """

    content: str
    rows: int
    survey: tuple[dict[str, dict[str, Any]], list[str]] | None


@dataclass(frozen=True)
class Data:
    """A data set that is ready to train on; `describe` summarises it in one line.

    `problems` has a sentence for each fault found while opening the data set; any of them prevents training. So does
    any sentence in `lacking`, about splits without samples; an evaluation only needs the one split that it scores.
    `warnings` has a sentence for everything else that the user should know, `notes` one for everything that training
    does differently because of the data. `remedies` has, by task, what the user can declare if its labels look wrong,
    as the end of a sentence.

    With `shares`, the training samples are consecutive blocks, each a pair of its length and its share, and samples are
    drawn from the blocks with replacement instead of once per epoch. With `chances`, the probability of each training
    sample, samples are drawn by these instead.

    `normalisation` is how the transforms normalise pixels. `unlabelled` are items of the training split without any
    label; only teachers can use them. `machine_made` has, by split and task, the number of labels that a network has
    given (`machine_made`), and their mean `confidence`. `streamed` is for data whose samples come in shards.
    """

    train: Split
    test: Split
    tasks: dict[str, Task]
    describe: str
    validation: Split | None = None
    problems: Sequence[str] = ()
    lacking: Sequence[str] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    shares: Sequence[tuple[int, float]] | None = None
    chances: NDArray[np.float64] | None = None
    remedies: Mapping[str, str] = field(default_factory=dict)
    normalisation: Normalisation = IMAGENET
    unlabelled: Sequence[Any] = ()
    machine_made: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    streamed: Streamed | None = None

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that exist, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}


class Collate:
    """Stacks samples of one size into a batch of plain tensors, the `collate_fn` of a `DataLoader`.

    If a sample has no label for a task of `tasks`, its target is the task's value for unlabelled.

    >>> from afanet.tasks import Classification
    >>> image = tv_tensors.Image(torch.zeros(3, 4, 6))
    >>> samples = [{"image": image, "targets": {"age": torch.tensor(1)}, "id": "0"}]
    >>> samples += [{"image": image, "targets": {}, "id": "1"}]
    >>> batch = Collate({"age": Classification("age", ["young", "old"])})(samples)
    >>> batch["image"].shape, batch["targets"]["age"], batch["id"]
    (torch.Size([2, 3, 4, 6]), tensor([ 1, -1]), ['0', '1'])
    """

    def __init__(self, tasks: Mapping[str, Task]):
        self.tasks = tasks

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        features = [sample["features"] for sample in samples if "features" in sample]
        if features:  # images of kept features have no pixels to stack
            images = samples[0]["image"].as_subclass(Tensor).expand(len(samples), -1, -1, -1)
        else:
            images = torch.stack([sample["image"].as_subclass(Tensor) for sample in samples])
        height, width = images.shape[-2:]
        targets = {}
        for name, task in self.tasks.items():
            labels = [sample["targets"].get(name) for sample in samples]
            absent = task.unlabelled((height, width)) if any(target is None for target in labels) else None
            filled = [absent if target is None else target.as_subclass(Tensor) for target in labels]
            targets[name] = torch.stack([target for target in filled if target is not None])
        batch: Batch = {"image": images, "targets": targets, "id": [sample["id"] for sample in samples]}
        if features:
            batch["features"] = {name: torch.stack([of_sample[name] for of_sample in features]) for name in features[0]}
        if estimates := [sample["estimates"] for sample in samples if "estimates" in sample]:
            batch["estimates"] = {
                name: torch.stack([of_sample[name] for of_sample in estimates]) for name in estimates[0]
            }
        return batch
