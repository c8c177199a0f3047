"""The order of an epoch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.training.order import epoch_order

NUMBERS = st.integers(0, 2**31)


@given(length=st.integers(1, 300), seed=NUMBERS, epoch=st.integers(0, 500))
def test_it_is_a_permutation_that_seed_and_epoch_decide(length: int, seed: int, epoch: int) -> None:
    order = epoch_order(length, None, seed, epoch)
    assert sorted(order.tolist()) == list(range(length))
    assert order.equal(epoch_order(length, None, seed, epoch))


@given(
    length=st.integers(1, 300), rows=st.integers(1, 40), window=st.integers(1, 5), seed=NUMBERS, epoch=st.integers(0, 9)
)
def test_shards_come_whole_and_a_window_at_a_time(length: int, rows: int, window: int, seed: int, epoch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.training.order.WINDOW", window)
        order = epoch_order(length, None, seed, epoch, shard=rows)
        assert order.equal(epoch_order(length, None, seed, epoch, shard=rows))
    assert sorted(order.tolist()) == list(range(length))
    shards = (order // rows).tolist()
    first = {shard: shards.index(shard) for shard in set(shards)}
    last = {shard: len(shards) - 1 - shards[::-1].index(shard) for shard in set(shards)}
    assert all(sum(first[s] <= place <= last[s] for s in first) <= window for place in range(length))


def test_every_epoch_and_every_seed_has_its_own() -> None:
    orders = {tuple(epoch_order(50, None, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == 25


@given(seed=NUMBERS)
def test_blocks_are_drawn_by_their_shares(seed: int) -> None:
    order = epoch_order(10_000, [(20, 3.0), (0, 5.0), (9980, 1.0)], seed, epoch=0)
    assert ((order >= 0) & (order < 10_000)).all()
    first = int((order < 20).sum())
    assert 7200 < first < 7800  # 7500, and seven standard deviations
    assert len(set(order[order < 20].tolist())) == 20


def test_more_rows_than_a_multinomial_can_take() -> None:
    length = 2**24 + 10
    order = epoch_order(length, [(length - 1, 1.0), (1, 1.0)], seed=0, epoch=0)
    assert abs(float((order == length - 1).double().mean()) - 0.5) < 0.001
