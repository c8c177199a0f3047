"""Training batches: samples, order and augmentation depend only on the seed and the position.

Earlier draws, the number of workers and interruptions of training make no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2

from afanet import limits
from afanet.data import Batch, Collate, Data, Sample, Split
from afanet.data.features import KeptFeatures
from afanet.data.resident import Resident
from afanet.errors import InputError
from afanet.progress import say
from afanet.recipe.schema import Recipe
from afanet.training.order import epoch_order
from afanet.training.seeds import draw_seed

Draw = tuple[int, int]  # the number of the draw in the whole run, and the index of the sample


class Seeded(Dataset[Sample]):
    """A split whose random transforms depend on the seed and the number of the draw; `crop` adds random crops."""

    def __init__(self, split: Split, seed: int, crop: tuple[int, int] | None = None) -> None:
        self.split = split
        self.seed = seed
        self.crop = v2.Identity() if crop is None else v2.RandomCrop(crop)

    def __getitem__(self, draw: Draw) -> Sample:
        number, index = draw
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw_seed(self.seed, "draw", number))
            sample: Sample = self.crop(self.split[index])
            return sample


class WholeBatches(Dataset[Sample]):
    """A resident split that gives a `DataLoader` whole batches; with a seed, it takes draws, as `Seeded` does.

    A batch of draws equals the one that `Seeded` and `Collate` would make.
    """

    def __init__(self, split: Resident, seed: int | None = None, crop: tuple[int, int] | None = None) -> None:
        self.split, self.seed = split, seed
        self.crop = None if crop is None else v2.RandomCrop(crop)

    def __len__(self) -> int:
        return len(self.split)

    def __getitems__(self, chosen: Sequence[Any]) -> Batch:
        if self.seed is None:
            return self.split.batch(chosen)
        seeds = [draw_seed(self.seed, "draw", number) for number, _ in chosen]
        return self.split.batch([index for _, index in chosen], seeds, self.crop)


class Order(Sampler[list[Draw]]):
    """The batches of one epoch for one of several processes, from batch `first` on.

    Every epoch has its own order. A batch is the next `batch_size` samples in the order; of these, process r of W takes
    every W-th sample, starting from the r-th. An incomplete last batch is left out, unless it is the only one.
    """

    def __init__(self, data: Data, recipe: Recipe, rank: int = 0, world: int = 1) -> None:
        self.length = len(data.train)
        self.shares, self.chances = data.shares, data.chances
        self.shard = data.streamed.rows if data.streamed else None
        self.seed = recipe.seed
        self.size = min(recipe.batch_size, self.length)
        self.rank, self.world = rank, world
        self.epoch = 0
        self.first = 0

    def __len__(self) -> int:
        return self.length // self.size

    def __iter__(self) -> Iterator[list[Draw]]:
        order = epoch_order(self.length, self.shares, self.seed, self.epoch, self.chances, self.shard)
        for batch in range(self.first, len(self)):
            positions = range(batch * self.size + self.rank, (batch + 1) * self.size, self.world)
            yield [(self.epoch * self.length + position, int(order[position])) for position in positions]


def train_loader(data: Data, recipe: Recipe, rank: int = 0, world: int = 1) -> DataLoader[Sample]:
    """The training batches of process `rank` of `world`; its `batch_sampler` is an `Order`.

    Raises `InputError` for batches of one image, which batch norm cannot train on, for batches that do not divide
    evenly among the processes, for a crop larger than the images, and for batches larger than this machine's memory.
    """
    (height, width), (rows, columns) = recipe.data.size, recipe.data.window
    if rows > height or columns > width:
        raise InputError(f"data.crop is {rows}x{columns}, expected no more than data.size, {height}x{width}")
    images = len(data.train)
    if min(images, recipe.batch_size) < 2:
        raise InputError(
            f"batches of one image cannot be trained on (batch_size {recipe.batch_size}, {images} training images): "
            "batch norm needs at least two"
        )
    if min(images, recipe.batch_size) % world:
        raise InputError(
            f"batches of {min(images, recipe.batch_size)} images cannot be divided among {world} processes: "
            f"set batch_size to a multiple of {world}"
        )
    held = min(images, recipe.batch_size) * data.normalisation.channels * height * width * 4
    if held > limits.memory():
        raise InputError(
            f"batches of {min(images, recipe.batch_size)} images of {height}x{width} need {held / 2**30:.0f} GiB, but "
            f"this machine has {limits.memory() / 2**30:.0f}: lower batch_size or data.size"
        )
    order = Order(data, recipe, rank, world)
    if isinstance(data.train, Resident):
        whole = WholeBatches(data.train, recipe.seed, recipe.data.crop)
        return DataLoader(whole, batch_sampler=order, collate_fn=_as_it_is)
    # reading kept features is little work: processes for it would only take cores from a network on the CPU
    at_once = isinstance(data.train.read, KeptFeatures) and not torch.cuda.is_available()
    workers = 0 if at_once else recipe.workers
    return DataLoader(
        Seeded(data.train, recipe.seed, recipe.data.crop),
        batch_sampler=order,
        collate_fn=Collate(data.tasks),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def scoring_loader(data: Data, split: Split, recipe: Recipe, rank: int = 0, world: int = 1) -> DataLoader[Sample]:
    """The share of a split that process `rank` of `world` scores, in the split's order, including the last samples.

    If the recipe asks for more workers than this machine can run, it gets fewer; resident data need none.
    """
    if isinstance(split, Resident):
        share = range(rank, len(split), world)
        return DataLoader(WholeBatches(split), sampler=share, batch_size=recipe.batch_size, collate_fn=_as_it_is)
    return DataLoader(
        split,
        sampler=range(rank, len(split), world),
        batch_size=recipe.batch_size,
        collate_fn=Collate(data.tasks),
        num_workers=_workers_here(recipe.workers, limits.most_processes()),
        pin_memory=torch.cuda.is_available(),
    )


def _as_it_is(batch: Any) -> Any:
    return batch


@cache  # so that it prints once
def _workers_here(wanted: int, most: int) -> int:
    if wanted > most:
        machine = f"a machine of {limits.cores()} cores"
        say(f"workers is {wanted} in this recipe, too many for {machine}: {most} read samples")
    return min(wanted, most)
