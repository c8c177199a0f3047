"""Batches: order by seed, first and last ones, and errors out of workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest
import torch
from torch.utils.data import Dataset

from afanet.data import Data, Sample
from afanet.errors import InputError
from afanet.training.loaders import plain_errors, read_once, scoring_loader, train_loader
from afanet.training.recipe import Recipe
from afanet.training.setup import open_tasks


class Bad(Dataset[Sample]):
    """Samples that cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> NoReturn:
        raise InputError(f"image: {index}.jpg is truncated, expected a whole file")


def test_the_last_partial_batch_is_tested_but_not_trained_on(small: Callable[..., Recipe]) -> None:
    data, _ = open_tasks(small())
    assert [len(batch["id"]) for batch in train_loader(data, small())] == [4, 4]
    assert [len(batch["id"]) for batch in scoring_loader(data, data.test, small())] == [4, 3]


def test_fewer_samples_than_a_batch_still_train(small: Callable[..., Recipe]) -> None:
    recipe = small(batch_size=64)
    assert [len(batch["id"]) for batch in train_loader(open_tasks(recipe)[0], recipe)] == [10]


def test_the_seed_alone_decides_the_order(small: Callable[..., Recipe]) -> None:
    def order(seed: int) -> list[str]:
        torch.rand(seed + 5)
        recipe = small(seed=seed)
        return [name for batch in train_loader(open_tasks(recipe)[0], recipe) for name in batch["id"]]

    torch.manual_seed(1)
    first = order(0)
    torch.manual_seed(2)
    assert order(0) == first
    assert order(1) != first


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_file_gives_its_sentence_even_from_a_worker(small: Callable[..., Recipe], workers: int) -> None:
    data = Data(train=Bad(), test=Bad(), tasks={}, describe="")
    with pytest.raises(InputError) as caught, plain_errors():
        read_once(scoring_loader(data, data.test, small(workers=workers)))
    assert str(caught.value) == "image: 0.jpg is truncated, expected a whole file"


def test_an_exit_that_was_an_interrupt_is_one_again() -> None:
    def lightning() -> NoReturn:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)  # noqa: B904

    with pytest.raises(KeyboardInterrupt), plain_errors():
        lightning()
    with pytest.raises(SystemExit), plain_errors():
        raise SystemExit(3)


def test_weights_decide_how_often_a_sample_is_drawn_and_the_seed_which(small: Callable[..., Recipe]) -> None:
    data, _ = open_tasks(small(**{"data.options.train_scenes": 200, "data.size": [8, 8]}))
    weights = torch.ones(200, dtype=torch.float64)
    weights[:20] = 27  # three quarters in all
    data = replace(data, weights=weights)

    def draws(seed: int) -> list[int]:
        loader = train_loader(data, small(seed=seed, batch_size=20))
        return [index for batch in loader.batch_sampler for index in batch]

    first = draws(0)
    assert len(first) == 200
    assert draws(0) == first != draws(1)
    assert 125 < sum(index < 20 for index in first) < 175  # 150, and four standard deviations
