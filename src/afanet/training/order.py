"""The order of an epoch's samples, which depends only on the seed and the number of the epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.data.streams.index import WINDOW


def epoch_order(
    length: int,
    shares: Sequence[tuple[int, float]] | None,
    seed: int,
    epoch: int,
    chances: NDArray[np.float64] | None = None,
    shard: int | None = None,
) -> Tensor:
    """The indices, int64 (length,), of the samples that an epoch trains on, in order.

    By default, each sample comes once, shuffled. If the split is made of blocks of samples, each with a share, samples
    are drawn with replacement: block b with probability share_b / (sum of shares), then a sample of it. With `chances`,
    (length,), each sample is instead drawn with its own probability, with replacement. With `shard`, the samples come
    in shards of that many: the shards are shuffled, and then the samples within each `WINDOW` of shards, so that few
    shards are needed at a time.

    >>> sorted(epoch_order(4, None, seed=0, epoch=1).tolist())
    [0, 1, 2, 3]
    """
    random = np.random.default_rng([seed, epoch])
    if chances is not None:
        ends = np.cumsum(chances)
        points = np.minimum(random.random(length) * ends[-1], np.nextafter(ends[-1], 0))
        return torch.from_numpy(np.searchsorted(ends, points, side="right"))
    if shard is not None:
        return torch.from_numpy(_by_shards(length, shard, random))
    if shares is None:
        return torch.from_numpy(random.permutation(length))
    counts, weights = (np.array(column, dtype=np.float64) for column in zip(*shares, strict=True))
    weights = np.where(counts > 0, weights, 0)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    blocks = random.choice(len(counts), size=length, p=weights / weights.sum())
    return torch.from_numpy((starts[blocks] + np.floor(random.random(length) * counts[blocks])).astype(np.int64))


def _by_shards(length: int, rows: int, random: np.random.Generator) -> NDArray[np.int64]:
    shards = random.permutation(-(-length // rows))
    windows = []
    for start in range(0, len(shards), WINDOW):
        samples = [np.arange(shard * rows, min((shard + 1) * rows, length)) for shard in shards[start : start + WINDOW]]
        windows.append(random.permutation(np.concatenate(samples)))
    return np.concatenate(windows)
