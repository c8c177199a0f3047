"""Finds images that are in more than one split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from afanet.data.sample import Split


def twins(splits: Mapping[str, Split], digests: Mapping[str, NDArray[np.uint64]]) -> list[str]:
    """A sentence for each image whose first copy is in another split, by the digests of all items.

    A digest of 0 is unknown. Only images that are in two splits are read again.
    """
    names, lengths = list(digests), [len(of_split) for of_split in digests.values()]
    starts, home = np.cumsum(lengths) - lengths, np.repeat(np.arange(len(names), dtype=np.uint8), lengths)
    every = np.concatenate(list(digests.values()))
    order = np.argsort(every, kind="stable")
    ranked = every[order]
    begins = np.concatenate([[True], ranked[1:] != ranked[:-1]])[: len(ranked)]  # of each run of equal digests
    firsts = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    apart = (home[order] != home[firsts]) & (ranked != 0)

    def describe(position: int) -> str:
        name = names[home[position]]
        item = splits[name].items[position - starts[home[position]]]
        return f"{splits[name].read(item)['id']} ({name})"

    pairs = sorted(zip(order[apart].tolist(), firsts[apart].tolist(), strict=True))
    return [f"{describe(first)} and {describe(copy)} are the same image" for copy, first in pairs]
