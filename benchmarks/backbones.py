"""What a training step costs with each of ten backbones, in time and memory, over that with ResNet-18.

    python benchmarks/backbones.py [--rounds 5] [--size 96 128] [--device cpu] [--page docs/backbones.md]

Method `hard`, two dense tasks (13 and 1 values a pixel) with `mlp` heads, batch 2, SGD with momentum, random weights.
Backbones take turns, step by step, so that a ratio holds where the machine's speed drifts; it is the median over the
rounds. Memory is the most that the network and two steps hold beyond the loaded program, in a process of its own for
each backbone (on a GPU: what torch allocated). With `--page` the table replaces that on the page.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from afanet import Dense, create_network
from afanet.comparison.costs import held_at_most, held_now

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
START, END = "<!-- costs -->\n", "<!-- end of costs -->"


def made(name: str, size: Size, device: str) -> nn.Module:
    """The network of a backbone, about to train."""
    torch.manual_seed(0)
    return create_network("hard", OUTPUTS, name, size=size, head="mlp").to(device).train()


def training_step(network: nn.Module, size: Size, device: str) -> Callable[[], None]:
    """A function that trains one step, and waits for the device."""
    images = torch.randn(BATCH, 3, *size, device=device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)

    def step() -> None:
        sum(output.square().mean() for output in network(images).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def peak_memory(name: str, size: Size, device: str, threads: int) -> float:
    """MiB that two steps hold at most, network included, beyond what the process or the GPU held before."""
    torch.set_num_threads(threads)
    before = held_now(torch.device(device))
    step = training_step(made(name, size, device), size, device)
    step(), step()
    return (held_at_most(torch.device(device)) - before) / 2**20


def times_of(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each step, taken in turns; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if number:
                times[name].append(time.perf_counter() - start)
    return times


def main() -> None:
    """Print the table, and put it on the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="steps of each backbone that count")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128), help="height and width of the images")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--page", type=Path, help="Markdown file that has the table")
    options = parser.parse_args()
    size, device = (options.size[0], options.size[1]), options.device
    jobs = [(name, size, device, torch.get_num_threads()) for name in BACKBONES]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        # before anything is built here: a process counts its parent's memory at birth as its own
        memory = dict(zip(BACKBONES, pool.starmap(peak_memory, jobs, chunksize=1), strict=True))
    networks = {name: made(name, size, device) for name in BACKBONES}
    times = times_of({name: training_step(network, size, device) for name, network in networks.items()}, options.rounds)
    print(f"batch {BATCH}, {size[0]}x{size[1]}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    lines = [f"| backbone | parameters, M | step over that of `{BASE}` | peak memory, MiB | over `{BASE}` |\n"]
    lines += ["| --- | --- | --- | --- | --- |\n"]
    for name, network in networks.items():
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        ratios = [a / b for a, b in zip(times[name], times[BASE], strict=True)]
        step = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if name != BASE else "1"
        lines += [
            f"| `{name}` | {parameters:.1f} | {step} | {memory[name]:.0f} | {memory[name] / memory[BASE]:.2f} |\n"
        ]
    print("".join(lines))
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        before, after = page.partition(START)[0], page.partition(END)[2]
        options.page.write_text(f"{before}{START}{''.join(lines)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
