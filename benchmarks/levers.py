"""What each lever costs and brings in a training step: its time and peak memory beside the plain float32 network.

    python benchmarks/levers.py [--recipe nyuv2] [--backbone NAME] [--rounds 10] [--device cpu] [--compile]

Each row adds a lever to the row that it names. The plain row is what the original would do: float32, tensors in torch's
own order, every tap of dilated convolutions, an optimiser that is not fused. Levers after bf16 are added to it where
the device is faster in bf16, else to the row before it. A step is the learner's own: forward, losses, backward,
optimiser and the losses' log. Two rows are no steps: one answers a batch and counts its scores, the other multiplies
large float32 matrices, with as many operations as a step with the fused optimiser. Images and labels are generated.
Rows take turns, so that ratios hold where the machine's speed drifts; a ratio is the median over rounds, of the
processor's time on a CPU. Memory is what network, optimiser and two steps hold at most, in a process of its own.
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
from torch.utils.flop_counter import FlopCounterMode

from afanet.distributed.device import answering, find_precision
from afanet.networks.heads.layers import WithoutEmptyTaps
from afanet.recipe.load import load_recipe
from afanet.tasks.scores import TaskScores
from afanet.training.learner import Learner
from learning import generated, learner_of, tasks_of
from timing import Work, about, in_turns, peak_memories, ratios, spread

Keys = Mapping[str, Any]
SIDE = 2048  # of the matrices


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
PRODUCTS = "matrix products alone"


def rows_of(device: str) -> dict[str, Row]:
    """All rows that are steps, by name."""
    quick = {"precision": find_precision("auto", torch.device(device))}
    best = BF16 if quick["precision"] == "bf16" else FUSED
    trunk = {**quick, "network.freeze": "stages:3"}
    return {
        PLAIN: Row(PLAIN, {}, plain_order=True, plain_taps=True, plain_optimizer=True),
        TAPS: Row(PLAIN, {}, plain_order=True, plain_optimizer=True),
        ORDER: Row(TAPS, {}, plain_optimizer=True),
        FUSED: Row(ORDER, {}),
        BF16: Row(FUSED, {"precision": "bf16"}),
        COMPILED: Row(best, {**quick, "network.compile": True}),
        AGAIN: Row(best, {**quick, "network.checkpointing": True}),
        TWICE: Row(best, {**quick, "optimizer.accumulate": 2}),
        FROZEN: Row(best, trunk),
        KEPT: Row(FROZEN, trunk, kept_features=True),
    }


def step_of(recipe: str, keys: Keys, name: str, device: str) -> Work:
    """A function that takes one step of a row."""
    row = rows_of(device)[name]
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


def products_of(recipe: str, keys: Keys, device: str) -> Work:
    """A function that multiplies matrices, with as many operations as a step with the fused optimiser."""
    step = step_of(recipe, keys, FUSED, device)
    with FlopCounterMode(display=False) as counter:
        step()
    left, right, result = (torch.randn(SIDE, SIDE, device=device) for _ in range(3))
    count = round(counter.get_total_flops() / (2 * SIDE**3))

    def multiply() -> None:
        for _ in range(count):
            torch.mm(left, right, out=result)

    return multiply


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
    rows = rows_of(given.device)
    names = [name for name in rows if given.compile or name != COMPILED]
    makers: dict[str, Any] = {name: partial(step_of, given.recipe, keys, name, given.device) for name in names}
    memory = {} if given.times_alone else peak_memories(makers, given.device)
    makers[SCORED] = partial(scoring_of, given.recipe, keys, given.device)
    makers[PRODUCTS] = partial(products_of, given.recipe, keys, given.device)
    times = in_turns({name: make() for name, make in makers.items()}, given.rounds, given.device).steadier(given.device)
    size = f"{given.size[0]}x{given.size[1]}"
    print(f"{given.recipe}, {given.method}, {given.backbone}, batch {given.batch} of {size}, {about(given.device)}\n")
    print("| lever | added to | step, s | over plain | over what it is added to | MiB | over plain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, taken in times.items():
        base = rows[name].base if name in rows else PLAIN
        added = spread(ratios(times, name, base), 2)
        held = f"{memory[name]:.0f} | {memory[name] / memory[PLAIN]:.2f}" if name in memory else "- | -"
        whole = spread(ratios(times, name, PLAIN), 2)
        print(f"| {name} | {base} | {median(taken):.3f} | {whole} | {added} | {held} |")


if __name__ == "__main__":
    main()
