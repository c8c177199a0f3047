"""Batches of a data set's two splits, in an order that the seed alone decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.data import DataLoader, RandomSampler, Sampler, WeightedRandomSampler

from afanet.data import Collate, Data, Sample, Split
from afanet.errors import InputError
from afanet.training.recipe import Recipe

Loader = DataLoader[Sample]


def train_loader(data: Data, recipe: Recipe) -> Loader:
    """The training split, shuffled anew each epoch; a last batch that is not full is left out, if others are.

    Where the data have weights, as many samples as there are, drawn by them with replacement.

    The order comes from a generator of its own, so that every method sees the same batches. Raises `InputError` for
    batches of one image, which batch norm cannot train on.
    """
    images = len(data.train)
    if min(images, recipe.batch_size) < 2:
        raise InputError(
            f"batches of one image cannot be trained on (batch_size {recipe.batch_size}, {images} training images): "
            "batch norm needs at least two"
        )
    full = images >= recipe.batch_size
    generator = torch.Generator().manual_seed(recipe.seed)
    sampler: Sampler[int] = RandomSampler(data.train, generator=generator)
    if data.weights is not None:
        sampler = WeightedRandomSampler(data.weights, images, generator=generator)  # type: ignore[arg-type]
    return _loader(data, data.train, recipe, sampler=sampler, drop_last=full, generator=generator)


def scoring_loader(data: Data, split: Split, recipe: Recipe) -> Loader:
    """A split to score on in its order, to the last sample."""
    return _loader(data, split, recipe, sampler=None, drop_last=False, generator=None)


def read_once(loader: Loader) -> None:
    """Read everything and keep nothing, so that a bad file is found before hours of training, not after."""
    for _ in loader:
        pass


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors as they were raised: loaders wrap a worker's in its traceback, Lightning turns Ctrl-C into an exit."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).strip().rpartition(f"{InputError.__name__}: ")[2]) from None
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _loader(
    data: Data,
    split: Split,
    recipe: Recipe,
    *,
    sampler: Sampler[int] | None,
    drop_last: bool,
    generator: torch.Generator | None,
) -> Loader:
    return DataLoader(
        split,
        batch_size=recipe.batch_size,
        sampler=sampler,
        drop_last=drop_last,
        generator=generator,
        collate_fn=Collate(data.tasks),
        num_workers=recipe.workers,
        persistent_workers=sampler is not None and recipe.workers > 0,
        pin_memory=torch.cuda.is_available(),
    )
