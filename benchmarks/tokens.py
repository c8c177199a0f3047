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

import timm
import torch
from torch import nn

from afanet import AFA, weave
from timing import Times, Work, about, in_turns, ratios, spread, training_step

SIZE, BATCH = 224, 4
SCORES = {"age": 8, "gender": 2}
CASES = {
    "vit_small_patch16_224": ["blocks.9", "blocks.10", "blocks.11"],
    "swin_tiny_patch4_window7_224": ["layers.0", "layers.1", "layers.2", "layers.3"],
}


def step_of(name: str, at: list[str], device: str) -> Work:
    """A function that trains one step of two branches that meet `at` these layers."""
    torch.manual_seed(0)
    branches: dict[str, nn.Module] = {task: timm.create_model(name, num_classes=n) for task, n in SCORES.items()}
    network = weave(branches, at, AFA, example=(1, 3, SIZE, SIZE)).to(device)
    return training_step(network, torch.randn(BATCH, 3, SIZE, SIZE, device=device))


def summary(times: Times) -> str:
    """The medians, and the median and the spread of the rounds' ratios."""
    medians = "  ".join(f"{variant} {statistics.median(taken):.3f}" for variant, taken in times.items())
    return f"{medians}  ratio {spread(ratios(times, 'AFA', 'unfused'))}"


def main() -> None:
    """Time fused and unfused steps in turn and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="steps of each that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    print(f"batch {BATCH}, {SIZE}x{SIZE}, {about(options.device)}")
    for name, at in CASES.items():
        steps = {"unfused": step_of(name, [], options.device), "AFA": step_of(name, at, options.device)}
        turns = in_turns(steps, options.rounds, options.device)
        print(f"{name}, seconds: {summary(turns.seconds)}", flush=True)
        if options.device == "cpu":
            print(f"{name}, processor's seconds: {summary(turns.processor)}", flush=True)


if __name__ == "__main__":
    main()
