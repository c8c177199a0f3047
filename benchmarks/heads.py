"""What a head costs: parameters, operations, and a training step over that with `deeplabv3plus`, in one run.

    python benchmarks/heads.py [--rounds 10] [--device cpu] [--size 224 224] [--page docs/heads.md]

One task with 13 values a pixel, batch 2, SGD with momentum, backbone and head. Variants take turns, step by step, so
that a ratio holds where the machine's speed drifts; a ratio is the median over the rounds, on a CPU of the processor's
time. Operations are multiplications and additions of the head alone for one image; `--rounds 0 --device meta` only
counts. With `--page` the table replaces that on the page.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from afanet import Dense, create_network
from afanet.networks import HEADS
from afanet.networks.heads import RENAMED
from timing import in_turns, put_on, ratios, training_step

BACKBONES = {"ViT-S": "vit_small_patch16_224", "ResNet-50": "resnet50"}
NAMES = [name for name in HEADS.own if "dense" in HEADS[name] and name not in RENAMED]
BASE = "deeplabv3plus"


def made(backbone: str, head: str, size: tuple[int, int]) -> nn.Module:
    """A network of one task with this head."""
    torch.manual_seed(0)
    return create_network("single", {"task": Dense(13)}, backbone, size=size, head=head)


def operations(network: nn.Module, size: tuple[int, int]) -> int:
    """The head's multiplications and additions for an image."""
    with FlopCounterMode(display=False, depth=8) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, 3, *size, device=next(network.parameters()).device))
    counts = counter.get_flop_counts()
    (head,) = (name for name in counts if name.endswith("branches.task.head"))
    return sum(counts[head].values())


def rows(label: str, size: tuple[int, int], rounds: int, device: str) -> list[str]:
    """The rows of a backbone's heads."""
    networks = {name: made(BACKBONES[label], name, size).to(device) for name in NAMES}
    counts = {name: operations(network, size) for name, network in networks.items()}
    times = {}
    if rounds:
        images = torch.randn(2, 3, *size, device=device)
        times = in_turns(
            {name: training_step(network, images) for name, network in networks.items()}, rounds, device
        ).steadier(device)
    lines = []
    for name, network in networks.items():
        parameters = sum(p.numel() for p in network.get_submodule("branches.task.head").parameters())
        ratio = f"{statistics.median(ratios(times, name, BASE)):.2f}" if times else "not measured"
        lines.append(f"| {label} | `{name}` | {parameters / 1e6:.2f} | {counts[name] / 1e9:.1f} | {ratio} |\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="What each head costs.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, nargs=2, default=(224, 224))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    lines = ["| backbone | head | parameters, M | GFLOPs of the head | step over that of `deeplabv3plus` |\n"]
    lines += ["| --- | --- | --- | --- | --- |\n"]
    for label in BACKBONES:
        lines += rows(label, tuple(given.size), given.rounds, given.device)
    print("".join(lines))
    if given.page:
        put_on(given.page, lines)


if __name__ == "__main__":
    main()
