"""Batches: what the seed and the place decide, first and last ones, shares of processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from afanet.errors import InputError
from afanet.normalisation import Normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.setup import open_tasks
from afanet.training.loaders import scoring_loader, train_loader

Small = Callable[..., Recipe]


def batches(recipe: Recipe, epoch: int = 0, first: int = 0, rank: int = 0, world: int = 1) -> list[Any]:
    loader = train_loader(open_tasks(recipe)[0], recipe, rank, world)
    order: Any = loader.batch_sampler
    order.epoch, order.first = epoch, first
    return list(loader)


def test_the_last_partial_batch_is_tested_but_not_trained_on(small: Small) -> None:
    data, _ = open_tasks(small())
    assert [len(batch["id"]) for batch in batches(small())] == [4, 4]
    assert [len(batch["id"]) for batch in scoring_loader(data, data.test, small())] == [4, 3]


def test_fewer_samples_than_a_batch_still_train(small: Small) -> None:
    assert [len(batch["id"]) for batch in batches(small(batch_size=64))] == [10]


def test_the_seed_and_the_epoch_alone_decide_the_order(small: Small) -> None:
    def order(seed: int, epoch: int) -> list[str]:
        torch.rand(seed + 5)
        return [name for batch in batches(small(seed=seed), epoch) for name in batch["id"]]

    torch.manual_seed(1)
    first = order(0, 0)
    torch.manual_seed(2)
    assert order(0, 0) == first
    assert order(1, 0) != first
    assert order(0, 1) != first


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_pixels_do_not_depend_on_workers_or_on_where_reading_began(small: Small, workers: int) -> None:
    whole = batches(small(), epoch=3)
    rest = batches(small(workers=workers), epoch=3, first=1)
    assert len(rest) == len(whole) - 1
    for one, other in zip(whole[1:], rest, strict=True):
        assert one["id"] == other["id"]
        assert torch.equal(one["image"], other["image"])


def test_an_image_is_augmented_anew_in_every_epoch(small: Small) -> None:
    seen = [
        {name: x for batch in batches(small(), e) for name, x in zip(batch["id"], batch["image"], strict=True)}
        for e in (0, 1)
    ]
    both = set(seen[0]) & set(seen[1])
    assert both
    assert all(not torch.equal(seen[0][name], seen[1][name]) for name in both)


def test_the_processes_share_out_every_batch(small: Small) -> None:
    whole = batches(small())
    shares = [batches(small(), rank=rank, world=2) for rank in (0, 1)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(batch["id"]) == sorted(name for part in parts for name in part["id"])
    data, _ = open_tasks(small())
    tested = [name for rank in (0, 1) for b in scoring_loader(data, data.test, small(), rank, 2) for name in b["id"]]
    assert sorted(tested) == sorted(sample["id"] for sample in data.test)


def test_batches_that_cannot_be_trained_on_are_refused(small: Small) -> None:
    with pytest.raises(InputError, match="batches of one image cannot be trained on"):
        batches(small(batch_size=1))
    with pytest.raises(InputError, match="batches of 4 images cannot be divided among 3 processes"):
        batches(small(), world=3)


def test_a_crop_is_a_window_of_the_whole_image_and_of_its_targets(small: Small) -> None:
    whole, cut = batches(small()), batches(small(**{"data.crop": [16, 20]}))
    for one, other in zip(whole, cut, strict=True):
        assert one["id"] == other["id"]
        for image, part, depth, of in zip(
            one["image"], other["image"], one["targets"]["depth"], other["targets"]["depth"], strict=True
        ):
            assert part.shape == (3, 16, 20)
            places = [
                (top, left)
                for top in range(24 - 16 + 1)
                for left in range(32 - 20 + 1)
                if torch.equal(image[:, top : top + 16, left : left + 20], part)
            ]
            assert len(places) == 1
            top, left = places[0]
            assert torch.equal(depth[:, top : top + 16, left : left + 20], of)


def test_a_crop_larger_than_the_images_is_refused(small: Small) -> None:
    with pytest.raises(InputError, match=r"data\.crop is 16x33, expected no more than data\.size, 24x32"):
        batches(small(**{"data.crop": [16, 33]}))


def test_a_recipe_of_a_larger_machine_is_scored_by_fewer_workers_and_that_is_said(
    small: Small, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("afanet.limits.cores", lambda: 1)
    data, _ = open_tasks(small())
    assert scoring_loader(data, data.test, small(workers=16)).num_workers == 16
    assert capsys.readouterr().err == ""
    for _ in range(2):  # said once
        assert scoring_loader(data, data.test, small(workers=100_000)).num_workers == 16
    message = "workers is 100000 in this recipe, too many for a machine of 1 cores: 16 read samples\n"
    assert capsys.readouterr().err == message


def test_a_batch_that_no_memory_holds_is_refused(small: Small) -> None:
    recipe = small(**{"batch_size": 10**6, "data.options.train_scenes": 10**6, "data.size": [4096, 4096]})
    data, _ = open_tasks(recipe)
    with pytest.raises(InputError, match=r"batches of 1000000 images of 4096x4096 need .* GiB, .*lower batch_size"):
        train_loader(data, recipe)


def test_the_memory_of_a_batch_counts_every_channel(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(**{"batch_size": 2})
    data, _ = open_tasks(recipe)
    height, width = recipe.data.size
    monkeypatch.setattr("afanet.limits.memory", lambda: 2 * 3 * height * width * 4)
    train_loader(data, recipe)
    with pytest.raises(InputError, match="lower batch_size"):
        train_loader(replace(data, normalisation=Normalisation((0.0,) * 4, (1.0,) * 4)), recipe)
