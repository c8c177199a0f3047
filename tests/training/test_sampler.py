"""How often samples are drawn, by task and class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data import open_data
from afanet.data.census import Census
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.training.loaders import train_loader
from afanet.training.order import epoch_order
from afanet.training.sampler import require_sampler, sample_chances


def census(labels: list[list[int] | None]) -> Census:
    """Of samples with these names each; None is no label."""
    pairs = [(sample, name) for sample, names in enumerate(labels) for name in names or ()]
    samples = [sample for sample, names in enumerate(labels) if names is not None]
    return Census(np.zeros(4, np.int64), np.array(samples, np.int64), np.array(pairs, np.int64).reshape(-1, 2))


def draws(tasks: list[list[list[int] | None]], by_class: bool, random: np.random.Generator) -> int:
    """One draw as the documentation says it: a task, one of its names, a sample."""
    labels = tasks[random.integers(len(tasks))]
    known = [sample for sample, names in enumerate(labels) if names is not None]
    present = sorted({name for names in labels for name in names or ()})
    if not by_class or not present:
        return int(random.choice(known))
    groups = [[sample for sample in known if name in labels[sample]] for name in present]
    groups += [without] if (without := [sample for sample in known if not labels[sample]]) else []
    return int(random.choice(groups[random.integers(len(groups))]))


TASKS = [
    [[0], [0], [0], [0], [1], None, None, None],  # classes
    [[0, 1], [], [], None, [2], [2], None, None],  # labels, some of them without any
    [None, None, None, None, None, [], [], None],  # a number
]


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize("chosen", [[0], [1], [2], [0, 2], [0, 1, 2]])
def test_chances_are_those_of_the_draws(chosen: list[int], by_class: bool) -> None:
    tasks = [TASKS[number] for number in chosen]
    chances = sample_chances({str(n): census(labels) for n, labels in enumerate(tasks)}, 8, by_class)
    assert chances.sum() == pytest.approx(1)
    assert chances[7] == 0
    random = np.random.default_rng(0)
    count, seen = 4000, np.zeros(8)
    for _ in range(count):
        seen[draws(tasks, by_class, random)] += 1
    assert ((seen == 0) == (chances == 0)).all()
    assert (np.abs(seen - count * chances) <= 5 * np.sqrt(count * chances + 1)).all()


@settings(max_examples=50, deadline=None)
@given(labels=st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=60).filter(any))
def test_every_class_that_occurs_is_drawn_equally_often(labels: list[int | None]) -> None:
    of_task = census([None if label is None else [label] for label in labels])
    chances = sample_chances({"x": of_task}, len(labels), by_class=True)
    present = sorted({label for label in labels if label is not None})
    totals = [sum(chances[i] for i, label in enumerate(labels) if label == name) for name in present]
    assert totals == pytest.approx([1 / len(present)] * len(present))


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 500))
def test_an_epoch_draws_by_the_chances_with_replacement(seed: int, epoch: int) -> None:
    chances = np.zeros(2000)
    chances[[3, 5]], chances[10:20] = [0.5, 0.25], 0.025
    order = epoch_order(2000, None, seed, epoch, chances)
    assert order.equal(epoch_order(2000, [(2000, 1.0)], seed, epoch, chances))
    counts = np.bincount(order.numpy(), minlength=2000)
    assert counts.sum() == len(order) == 2000
    assert ((counts > 0) <= (chances > 0)).all()
    assert (np.abs(counts - 2000 * chances) <= 7 * np.sqrt(2000 * chances)).all()


def test_the_last_point_of_all_draws_a_sample_with_a_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    class Last:
        def random(self, length: int) -> Any:
            return np.full(length, np.nextafter(1.0, 0))

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Last())
    chances = np.full(300, 1 / 3e3)
    chances[-2:] = 0
    assert set(epoch_order(300, None, 0, 0, chances).tolist()) == {297}


def test_processes_share_out_what_is_drawn(small: Callable[..., Recipe]) -> None:
    data = open_data("rooms", size=(24, 32), train_scenes=10, test_scenes=1)
    data = replace(data, chances=np.arange(10) / 45)

    def batches(rank: int, world: int) -> list[Any]:
        order: Any = train_loader(data, small(), rank, world).batch_sampler
        order.epoch = 3
        return list(order)

    whole, parts = batches(0, 1), [batches(rank, 2) for rank in (0, 1)]
    assert [sorted(batch) for batch in whole] == [sorted(a + b) for a, b in zip(*parts, strict=True)]
    assert {number for batch in whole for number, _ in batch} == set(range(30, 38))


def test_what_cannot_be_is_said(small: Callable[..., Recipe]) -> None:
    data = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    recipe = small(**{"sampler.tasks": ["depth"]})
    require_sampler(recipe, data, list(data.tasks))
    require_sampler(recipe, replace(data, shares=[(1, 2.0), (1, 2.0)]), list(data.tasks))
    require_sampler(small(), replace(data, shares=[(1, 2.0), (1, 1.0)]), list(data.tasks))
    with pytest.raises(InputError, match=r"and so do the shares of the parts of the data \(2, 1\): leave one"):
        require_sampler(recipe, replace(data, shares=[(1, 2.0), (1, 1.0)]), list(data.tasks))
    with pytest.raises(InputError, match=r"unknown task under sampler.tasks 'dept', did you mean 'depth'"):
        require_sampler(small(**{"sampler.tasks": ["dept"]}), data, list(data.tasks))
    with pytest.raises(InputError, match=r"sampler.tasks has 'depth' 2 times: keep one"):
        require_sampler(small(**{"sampler.tasks": ["depth", "depth"]}), data, list(data.tasks))
    with pytest.raises(InputError, match=r"sampler.classes is about the labels of sampler.tasks, which is empty"):
        require_sampler(small(**{"sampler.classes": False}), data, list(data.tasks))
    with pytest.raises(InputError, match=r"sampler.tasks has 'x', and no training sample has a label of it"):
        sample_chances({"x": census([None, None])}, 2, by_class=True)
