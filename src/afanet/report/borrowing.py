"""Sentences on who takes what from whom, where, and whether it is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

from afanet.comparison.answer import listed
from afanet.inspection.connections import Cut, Readings
from afanet.tasks import Described

MOST = 8  # sentences, for the largest shares


def borrowing(readings: Readings, cuts: Sequence[Cut], tasks: Mapping[str, Described]) -> list[str]:
    """A sentence for each pair of a task and another that it takes from, the largest mean share first.

    >>> import torch
    >>> from afanet.inspection.connections import Reading
    >>> from afanet.tasks import Depth, Normals
    >>> flow = torch.tensor([[[0.9, 0.1], [0.4, 0.6]]])
    >>> for sentence in borrowing({"stem": Reading(flow, None)}, [], {"depth": Depth(), "normals": Normals()}):
    ...     print(sentence)
    normals takes 40 % from depth
    depth takes 10 % from normals
    """
    names = list(tasks)
    found = []
    for to, source in permutations(range(len(names)), 2):
        shares = {
            layer: reading.flow.mean(0)[to, source].item()
            for layer, reading in readings.items()
            if reading.pairs is None or (to, source) in reading.pairs
        }
        if shares and (mean := sum(shares.values()) / len(shares)) > 0:
            most = max(shares, key=shares.__getitem__)
            where = f", most at {most} ({100 * shares[most]:.0f} %)" if len(shares) > 1 else ""
            worth = _worth(names[to], names[source], cuts, tasks)
            found.append((mean, f"{names[to]} takes {100 * mean:.0f} % from {names[source]}{where}{worth}"))
    return [sentence for _, sentence in sorted(found, key=lambda pair: -pair[0])[:MOST]]


def _worth(to: str, source: str, cuts: Sequence[Cut], tasks: Mapping[str, Described]) -> str:
    """The effect of cutting this connection on the task that takes."""
    higher = tasks[to].higher_is_better[tasks[to].main_metric]
    of_pair = [cut for cut in cuts if (cut.to, cut.source) == (to, source) and to in cut.changes]
    layers = {
        verdict: [cut.layer for cut in of_pair if cut.changes[to].verdict(higher) == verdict]
        for verdict in ("worse", "better")
    }
    said = [f"{to} is {verdict} without it at {listed(at)}" for verdict, at in layers.items() if at]
    if said:
        return f": {' and '.join(said)}"
    return ": nothing shows that it is worth it" if of_pair else ""
