"""Who takes what from whom: gates on single images, and each connection's share and worth on the test split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import Change, bootstrap_changes
from afanet.data import Data
from afanet.data.transforms import as_input
from afanet.errors import InputError
from afanet.framing import Resize
from afanet.fusion import cut_connection, record_flow, record_gates
from afanet.fusion.meetings import Pair, connections, fusion_layers, lacking
from afanet.images import read_image
from afanet.inspection.scoring import add_scores, no_scores, sample_batches
from afanet.normalisation import IMAGENET, Normalisation, as_channels
from afanet.progress import Bar
from afanet.runs.examples import spread_over
from afanet.runs.loaded import LoadedNetwork, TaskPredictor

EFFECTS = 400  # at most so many effects of a cut on a task are computed; beyond, only the strongest connections are cut

Gates = dict[str, dict[str, Tensor]]  # by layer and kind
Connection = tuple[str, int, int]  # layer, to, from; tasks counted from 0


@dataclass(frozen=True)
class Reading:
    """What one layer did with images: `flow` (images, to, from) and `kept` (images, tasks, channels).

    `flow` holds shares of magnitudes, see `record_flow`. `kept` is how much of its own features a task keeps in each
    channel, read from the gates; it is None for a layer without channel gates. `pairs` are the layer's connections (to,
    from); None means that every task takes from every other.
    """

    flow: Tensor
    kept: Tensor | None
    pairs: Sequence[Pair] | None = None


Readings = dict[str, Reading]  # by layer


@dataclass(frozen=True)
class Cut:
    """The change of each task's main metric if task `to` gets nothing from `source` at `layer`."""

    layer: str
    to: str
    source: str
    changes: dict[str, Change]


@dataclass(frozen=True)
class Connections:
    """Each connection's share on `images` of the `total` test images, and the worth of those that were cut.

    `lacking` says in sentences what is missing here because the layers do not define it.
    """

    images: int
    total: int
    readings: Readings
    cuts: list[Cut]
    lacking: str = ""


def read_photos(
    files: Sequence[Path],
    size: tuple[int, int],
    resize: Resize = "stretch",
    normalisation: Normalisation = IMAGENET,
) -> Tensor:
    """Images of any size as the network takes them, (B, C, H, W).

    Raises `InputError` for an image that cannot be read, or whose number of channels the network does not take.
    """
    return torch.stack(
        [
            as_input(as_channels(read_image(file), normalisation.channels, str(file)), size, resize, normalisation)
            for file in files
        ]
    )


@contextmanager
def reading(network: nn.Module) -> Iterator[Callable[[], tuple[Gates, Readings]]]:
    """Yield a function that returns what layers did in the last forward pass within this context, on the CPU.

    Layers that define no gates are left out. Raises `InputError` for a network without a fusion layer. The function
    raises it if gates or shares are not finite.
    """
    layers, pairs = list(fusion_layers(network).values()), connections(network)
    with ExitStack() as recording:
        recorded: Gates = {}
        flows: dict[str, Tensor] = {}
        if not layers or any(layer.offers_gates for layer in layers):
            recorded = recording.enter_context(record_gates(network))
        if any(layer.offers_flow for layer in layers):
            flows = recording.enter_context(record_flow(network))

        def read() -> tuple[Gates, Readings]:
            gates = {layer: {kind: values.cpu() for kind, values in kinds.items()} for layer, kinds in recorded.items()}
            readings = {
                layer: Reading(flow.cpu(), _kept(gates.get(layer, {})), pairs[layer]) for layer, flow in flows.items()
            }
            for layer in {**gates, **readings}:
                _require_finite(layer, [*gates.get(layer, {}).values(), *(r.flow for r in [readings.get(layer)] if r)])
            return gates, readings

        yield read


def _require_finite(layer: str, values: Sequence[Tensor]) -> None:
    if not all(value.isfinite().all() for value in values):
        raise InputError(
            f"at layer '{layer}' the shares that tasks take are not finite, because its features are too large: "
            "train the run again with a lower optimizer.lr, or with optimizer.clip"
        )


def _kept(kinds: dict[str, Tensor]) -> Tensor | None:
    return kinds["channel"][..., 0, 0].diagonal(dim1=1, dim2=2).mT if "channel" in kinds else None


def read_layers(loaded: LoadedNetwork, images: Tensor) -> tuple[Gates, Readings]:
    """What every layer does with these images; raises `InputError` for a network without a fusion layer."""
    with reading(loaded.network) as read:
        loaded.answer(images)
    return read()


def strongest(readings: Readings, most: int) -> list[Connection]:
    """The up to `most` connections with the largest mean share, in the order of the layers.

    >>> strongest({"stem": Reading(torch.tensor([[[0.9, 0.1], [0.4, 0.6]]]), None)}, 1)
    [('stem', 1, 0)]
    """
    shares: dict[Connection, float] = {}
    for layer, reading in readings.items():
        mean = reading.flow.mean(0)
        pairs = permutations(range(len(mean)), 2) if reading.pairs is None else reading.pairs
        shares |= {(layer, to, source): mean[to, source].item() for to, source in pairs}
    kept = set(sorted(shares, key=lambda connection: -shares[connection])[:most])
    return [connection for connection in shares if connection in kept]


def to_cut(network: nn.Module, readings: Readings, most: int) -> list[Connection]:
    """The up to `most` connections to cut: those with the largest share, then those at layers that define no gates."""
    layers, pairs = fusion_layers(network), connections(network)
    known = strongest({layer: reading for layer, reading in readings.items() if layers[layer].offers_cut}, most)
    unknown = [
        (layer, to, source)
        for layer, fusion in layers.items()
        if fusion.offers_cut and layer not in readings
        for to, source in pairs[layer]
    ]
    return [*known, *unknown][:most]


def inspect_connections(predictor: TaskPredictor, data: Data, limit: int) -> Connections:
    """Read the layers on up to `limit` test images spread over the split, and cut the connections on them one by one.

    If cutting all would take more than `EFFECTS` effects on tasks, only the connections with the largest share are cut.
    Raises `InputError` for a network without a fusion layer.
    """
    total, names = len(data.test), list(predictor.tasks)
    chosen = spread_over(total, limit)
    whole = no_scores(predictor)
    readings = _read_layers_and_score(predictor, data, chosen, whole)
    cut = to_cut(predictor.network, readings, max(1, EFFECTS // len(names)))
    cut_scores = {connection: no_scores(predictor) for connection in cut}
    line = f"cutting {len(cut)} connections, one at a time" if cut else ""
    with Bar(len(chosen), "cutting connections", line=line) as bar:
        for batch in sample_batches(predictor, data, chosen):
            for connection, scores in cut_scores.items():
                with cut_connection(predictor.network, *connection):
                    add_scores(predictor, batch, scores)
            bar.advance(len(batch["id"]))
    cuts = [
        Cut(
            layer,
            names[to],
            names[source],
            {
                name: bootstrap_changes(scores[name], whole[name])[task.main_metric]
                for name, task in predictor.tasks.items()
            },
        )
        for (layer, to, source), scores in cut_scores.items()
    ]
    return Connections(len(chosen), total, readings, cuts, lacking(predictor.network))


def _read_layers_and_score(
    predictor: TaskPredictor, data: Data, chosen: Sequence[int], whole: dict[str, ImageScores]
) -> Readings:
    """What the layers did with the chosen test images, whose scores are added to `whole`."""
    parts: list[Readings] = []
    line = f"reading the layers of {predictor.run.path} on {len(chosen)} test images"
    with Bar(len(chosen), "reading layers", line=line) as bar:
        for batch in sample_batches(predictor, data, chosen):
            with reading(predictor.network) as read:
                add_scores(predictor, batch, whole)
            parts.append(read()[1])
            bar.advance(len(batch["id"]))
    return _join(parts)


def _join(parts: Sequence[Readings]) -> Readings:
    joined = {}
    for layer in parts[0]:
        kept = [reading.kept for part in parts if (reading := part[layer]).kept is not None]
        joined[layer] = Reading(
            torch.cat([part[layer].flow for part in parts]),
            torch.cat(kept) if len(kept) == len(parts) else None,
            parts[0][layer].pairs,
        )
    return joined
