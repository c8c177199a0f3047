"""What a training step costs with each of ten backbones, in time and memory, over that with ResNet-18.

    python benchmarks/backbones.py [--rounds 5] [--size 96 128] [--device cpu] [--page docs/backbones.md]

Method `hard`, two dense tasks (13 and 1 values a pixel) with `mlp` heads, batch 2, SGD with momentum, random weights.
Backbones take turns, step by step, so that a ratio holds where the machine's speed drifts; it is the median over the
rounds, on a CPU of the processor's time. Memory is the most that the network and two steps hold beyond the loaded
program, in a process of its own for each backbone (on a GPU: what torch allocated). With `--page` the table replaces
that on the page.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import nn

from afanet import Dense, create_network
from timing import Work, about, in_turns, peak_memories, put_on, ratios, spread, training_step

BACKBONES = [
    "resnet18",
    "resnet50",
    "mobilenetv3_large_100",
    "efficientnet_b0",
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
    "hiera_tiny_224",
    "vit_small_patch16_224",
    "vit_small_patch14_dinov2",
    "vit_small_patch16_dinov3",
]
BASE = BACKBONES[0]
OUTPUTS = {"segmentation": Dense(13), "depth": Dense(1)}
BATCH = 2
Size = tuple[int, int]


def made(name: str, size: Size, device: str) -> nn.Module:
    """The network of a backbone."""
    torch.manual_seed(0)
    return create_network("hard", OUTPUTS, name, size=size, head="mlp").to(device)


def step_of(network: nn.Module, size: Size, device: str) -> Work:
    """A function that trains one step."""
    return training_step(network, torch.randn(BATCH, 3, *size, device=device))


def new_step(name: str, size: Size, device: str) -> Work:
    """The same for a network that is made now."""
    return step_of(made(name, size, device), size, device)


def main() -> None:
    """Print the table, and put it on the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="steps of each backbone that count")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128), help="height and width of the images")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--page", type=Path, help="Markdown file that has the table")
    options = parser.parse_args()
    size, device = (options.size[0], options.size[1]), options.device
    memory = peak_memories({name: partial(new_step, name, size, device) for name in BACKBONES}, device)
    networks = {name: made(name, size, device) for name in BACKBONES}
    steps = {name: step_of(network, size, device) for name, network in networks.items()}
    times = in_turns(steps, options.rounds, device).steadier(device)
    print(f"batch {BATCH}, {size[0]}x{size[1]}, {about(device)}")
    lines = [f"| backbone | parameters, M | step over that of `{BASE}` | peak memory, MiB | over `{BASE}` |\n"]
    lines += ["| --- | --- | --- | --- | --- |\n"]
    for name, network in networks.items():
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        step = spread(ratios(times, name, BASE), 2) if name != BASE else "1"
        lines += [
            f"| `{name}` | {parameters:.1f} | {step} | {memory[name]:.0f} | {memory[name] / memory[BASE]:.2f} |\n"
        ]
    print("".join(lines))
    if options.page:
        put_on(options.page, lines)


if __name__ == "__main__":
    main()
