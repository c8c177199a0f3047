"""Checks that a fusion layer describes itself correctly: its gates, what they carry, and its cuts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from afanet.fusion import Fusion, record_gates, replace_gates

CHANNELS, SIZE = 4, (5, 6)
KINDS = {"channel": (CHANNELS, 1, 1), "spatial": (1, *SIZE)}  # the kinds of gates, and where each is defined


def features(tasks: int, batch: int = 2, size: Sequence[int] = SIZE) -> list[Tensor]:
    """Random features for each task."""
    return [torch.randn(batch, CHANNELS, *size) for _ in range(tasks)]


def check_gates(layer: Fusion) -> None:
    """Gates have the right shape, and are shares."""
    if not layer.offers_gates:
        return
    name, tasks = type(layer).__name__, layer.tasks
    with torch.no_grad():
        gates = layer.gates(features(tasks))
    odd = sorted(set(gates) - set(KINDS))
    assert gates, f"{name}.gates returns none, expected 'channel', 'spatial' or both: leave the method out instead"
    assert not odd, f"{name}.gates gives '{', '.join(odd)}', expected 'channel', 'spatial' or both"
    for kind, values in gates.items():
        shape = (2, tasks, tasks, *KINDS[kind])
        found = tuple(values.shape)
        assert found == shape, f"{name}.gates has {found} for '{kind}', expected (batch, to, from, ...) = {shape}"
        assert (values >= 0).all(), f"{name}.gates has negative values for '{kind}'"
        sums = values.sum(2)
        whole = torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
        assert whole, f"{name}.gates for '{kind}' do not sum to one over the sources"


def check_flow(layer: Fusion) -> None:
    """The carried amounts are shares."""
    if not layer.offers_flow:
        return
    name, tasks = type(layer).__name__, layer.tasks
    with torch.no_grad():
        flow = layer.carried(features(tasks))
    shape = (2, tasks, tasks)
    assert flow.shape == shape, f"{name}.carried has {tuple(flow.shape)}, expected (batch, to, from) = {shape}"
    whole = (flow >= 0).all() and torch.allclose(flow.sum(2), torch.ones(2, tasks), atol=1e-4)
    assert whole, f"{name}.carried has rows that are no shares: no entry may be negative, and each row sums to one"


def check_cut(layer: Fusion) -> None:
    """A cut changes one output, and nothing if the source has the task's own features. Under gates that are the same
    for all features, it gives the output with the source's features replaced by the task's own.
    """
    if not layer.offers_cut:
        return
    name, tasks, to, source = type(layer).__name__, layer.tasks, 0, layer.tasks - 1
    with torch.no_grad():
        xs = features(tasks)
        ys, cut = layer(xs), layer.cut(xs, to, source)
        others = all(torch.allclose(cut[task], ys[task], atol=1e-5) for task in range(tasks) if task != to)
        assert others, f"{name}.cut changes the outputs of other tasks, not only of the one that is cut off"
        replaced = [xs[to] if task == source else x for task, x in enumerate(xs)]
        unchanged = torch.allclose(layer.cut(replaced, to, source)[to], layer(replaced)[to], atol=1e-5)
        assert unchanged, f"{name}.cut changes the output though the source has the task's own features already"
        if layer.offers_gates:
            before, after = layer.gates(xs), layer.gates(replaced)
            if all(torch.equal(before[kind], after[kind]) for kind in before):
                same = torch.allclose(cut[to], layer(replaced)[to], atol=1e-5)
                assert same, f"{name}.cut is not the output with the source's features replaced by the task's own"


def check_mix(layer: Fusion) -> None:
    """If a layer declares that its gates are the weights of its mix, mixing with them outside gives the same."""
    if not layer.mixes_by_gates:
        return
    name, network, xs = type(layer).__name__, torch.nn.ModuleDict({"layer": layer}), features(layer.tasks)
    prefix = features(layer.tasks, size=(3, 1))
    with torch.no_grad():
        with record_gates(network, raw=True) as gates:
            own = layer(xs, prefix)
        with replace_gates(network, gates):
            mixed = layer(xs, prefix)
    same = [torch.allclose(y, expected, atol=1e-5) for y, expected in zip(mixed, own, strict=True)]
    assert all(same[: layer.tasks]), (
        f"{name}.mixes_by_gates is true, but its outputs are not the mix of features by {name}.gates"
    )
    assert all(same), (
        f"{name}.mixes_by_gates is true, but {name}.fuse_prefix does not mix class tokens by the channel gates"
    )
