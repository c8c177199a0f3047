"""What AFA adds to a training step of transformers, as ratios of one run.

    python benchmarks/tokens.py [--rounds 15] [--device cpu]

Two branches, SGD with momentum: a ViT of 12 blocks, whose branches meet after the last three, and a Swin whose branches
meet after each of its four stages. Fused and unfused steps take turns, so that a ratio holds where the machine's speed
drifts; the ratio is the median over the rounds. On the CPU the ratio of the processor's time is printed too: other work
on the machine changes it less.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import timm
import torch
from torch import nn

from afanet import AFA, weave

SIZE, BATCH = 224, 4
SCORES = {"age": 8, "gender": 2}
CASES = {
    "vit_small_patch16_224": ["blocks.9", "blocks.10", "blocks.11"],
    "swin_tiny_patch4_window7_224": ["layers.0", "layers.1", "layers.2", "layers.3"],
}


def training_step(name: str, at: list[str], device: str) -> Callable[[], None]:
    """A function that trains one step of two branches that meet `at` these layers."""
    torch.manual_seed(0)
    branches: dict[str, nn.Module] = {task: timm.create_model(name, num_classes=n) for task, n in SCORES.items()}
    network = weave(branches, at, AFA, example=(1, 3, SIZE, SIZE)).to(device).train()
    images = torch.randn(BATCH, 3, SIZE, SIZE, device=device)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        sum(output.square().mean() for output in network(images).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def summary(times: dict[str, list[float]]) -> str:
    """The medians, and the median and the spread of the rounds' ratios."""
    medians = "  ".join(f"{variant} {statistics.median(taken):.3f}" for variant, taken in times.items())
    ratios = [fused / unfused for fused, unfused in zip(times["AFA"], times["unfused"], strict=True)]
    return f"{medians}  ratio {statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f})"


def main() -> None:
    """Time fused and unfused steps in turn and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="steps of each that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    print(
        f"batch {BATCH}, {SIZE}x{SIZE}, {options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    for name, at in CASES.items():
        steps = {"unfused": training_step(name, [], options.device), "AFA": training_step(name, at, options.device)}
        clocks = {"seconds": time.perf_counter, "processor's seconds": time.process_time}
        times = {clock: {variant: list[float]() for variant in steps} for clock in clocks}
        for turn in range(options.rounds + 2):
            for variant, step in steps.items():
                start = {clock: read() for clock, read in clocks.items()}
                step()
                if turn >= 2:  # the first two warm up
                    for clock, read in clocks.items():
                        times[clock][variant].append(read() - start[clock])
        for clock in clocks if options.device == "cpu" else ["seconds"]:
            print(f"{name}, {clock}: {summary(times[clock])}", flush=True)


if __name__ == "__main__":
    main()
