"""What each lever costs and brings in a training step: its time and peak memory beside the plain float32 network.

    python benchmarks/levers.py [--recipe nyuv2] [--backbone NAME] [--rounds 10] [--device cpu] [--compile]

Each row adds a lever to the row that it names, or to the row above it. The plain row is what the original would do:
float32, tensors in torch's own order, every tap of dilated convolutions, an optimiser that is not fused. A step is the
learner's own: forward, losses, backward, optimiser and the losses' log; the last row answers a batch and counts its
scores. Images and labels are generated. Rows take turns, so that ratios hold where the machine's speed drifts; a ratio
is the median over rounds, of the processor's time on a CPU. Memory is what network, optimiser and two steps hold at
most, in a process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import nn

from afanet.distributed.device import answering
from afanet.networks.heads.layers import WithoutEmptyTaps
from afanet.recipe.load import load_recipe
from afanet.tasks.scores import TaskScores
from afanet.training.learner import Learner
from learning import generated, learner_of, tasks_of
from timing import Work, about, in_turns, peak_memories, ratios, spread

Keys = Mapping[str, Any]


class Row(NamedTuple):
    """A row of the table: what it is added to, and what it sets."""

    base: str
    keys: Keys
    plain_order: bool = False
    plain_taps: bool = False
    plain_optimizer: bool = False
    kept_features: bool = False


PLAIN, TAPS, ORDER, FUSED = "plain float32", "no taps in the padding", "channels-last", "fused optimiser"
BF16, COMPILED = "bf16", "compile"
AGAIN, TWICE, FROZEN, KEPT = "gradient checkpointing", "accumulation over 2 halves", "frozen trunk", "cached features"
SCORED = "an answer and its scores"
HALF = {"precision": "bf16"}
TRUNK = {**HALF, "network.freeze": "stages:3"}
ROWS = {
    PLAIN: Row(PLAIN, {}, plain_order=True, plain_taps=True, plain_optimizer=True),
    TAPS: Row(PLAIN, {}, plain_order=True, plain_optimizer=True),
    ORDER: Row(TAPS, {}, plain_optimizer=True),
    FUSED: Row(ORDER, {}),
    BF16: Row(FUSED, HALF),
    COMPILED: Row(BF16, {**HALF, "network.compile": True}),
    AGAIN: Row(BF16, {**HALF, "network.checkpointing": True}),
    TWICE: Row(BF16, {**HALF, "optimizer.accumulate": 2}),
    FROZEN: Row(BF16, TRUNK),
    KEPT: Row(FROZEN, TRUNK, kept_features=True),
}


def step_of(recipe: str, keys: Keys, name: str, device: str) -> Work:
    """A function that takes one step of a row."""
    row = ROWS[name]
    chosen = load_recipe(recipe, {"precision": "float32", **keys, **row.keys, "device": device})
    if row.plain_order:
        with patch("afanet.training.learner.channels_last", lambda network: network):
            learner = learner_of(chosen, device)
        learner.network.register_forward_pre_hook(lambda module, inputs: (inputs[0].contiguous(), *inputs[1:]))
    else:
        learner = learner_of(chosen, device)
    if row.plain_taps:
        for layer in learner.network.modules():
            if isinstance(layer, WithoutEmptyTaps):
                layer.__class__ = nn.Conv2d
    if row.plain_optimizer:
        for group in learner.optimizer.optimizer.param_groups:
            group["fused"] = False
    batches = generated(chosen, device, chosen.optimizer.accumulate)
    if row.kept_features:
        for batch in batches:
            batch["features"] = learner.network.trunk.features(learner.network, batch["image"])
    return partial(learner.learn, batches)


def scoring_of(recipe: str, keys: Keys, device: str) -> Work:
    """A function that answers a batch and counts its scores, as after an epoch."""
    chosen = load_recipe(recipe, {"precision": "float32", **keys, "device": device})
    learner, (batch,) = learner_of(chosen, device), generated(chosen, device)
    scores = {name: TaskScores.of(task).to(device) for name, task in tasks_of(chosen).items()}
    return partial(_score, learner, batch, scores)


def _score(learner: Learner, batch: Any, scores: Mapping[str, TaskScores]) -> None:
    learner.network.eval()
    with answering(learner.fabric.device):
        logits = learner.network(batch["image"].contiguous(memory_format=torch.channels_last))
        for name, task in learner.tasks.items():
            scores[name].update(task.predict(logits[name]), batch["targets"][name], logits[name])


def main() -> None:
    """Time all rows in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="nyuv2")
    parser.add_argument("--method", default="afa")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, nargs=2, default=(144, 192))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10, help="steps of each row that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--compile", action="store_true", help="with the row of a compiled network, whose first is slow"
    )
    parser.add_argument(
        "--times-alone", action="store_true", help="without the memory, for which each row has a process"
    )
    given = parser.parse_args()
    keys = {
        "network.method": given.method,
        "network.backbone": given.backbone,
        "data.size": given.size,
        "batch_size": given.batch,
    }
    names = [name for name in ROWS if given.compile or name != COMPILED]
    makers: dict[str, Any] = {name: partial(step_of, given.recipe, keys, name, given.device) for name in names}
    memory = {} if given.times_alone else peak_memories(makers, given.device)
    makers[SCORED] = partial(scoring_of, given.recipe, keys, given.device)
    times = in_turns({name: make() for name, make in makers.items()}, given.rounds, given.device).steadier(given.device)
    size = f"{given.size[0]}x{given.size[1]}"
    print(f"{given.recipe}, {given.method}, {given.backbone}, batch {given.batch} of {size}, {about(given.device)}\n")
    print("| lever | added to | step, s | over plain | over what it is added to | MiB | over plain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, taken in times.items():
        base = ROWS[name].base if name in ROWS else PLAIN
        added = spread(ratios(times, name, base), 2)
        held = f"{memory[name]:.0f} | {memory[name] / memory[PLAIN]:.2f}" if name in memory else "- | -"
        whole = spread(ratios(times, name, PLAIN), 2)
        print(f"| {name} | {base} | {median(taken):.3f} | {whole} | {added} | {held} |")


if __name__ == "__main__":
    main()
