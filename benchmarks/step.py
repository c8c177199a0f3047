"""What the AFA layer adds to a training step, in time and memory, as ratios of one run.

    python benchmarks/step.py [--rounds 10] [--device cpu] [--case image|pixel]

Two branches on ResNet-50, AFA after each block of layer4, SGD with momentum: batch 4 at 224x224 (image, classifiers)
and batch 2 at 289x289 (pixel, DeepLabv3+). Variants take turns, step by step, so that a ratio holds where the machine's
speed drifts; the ratio is the median over the rounds of one variant's step over its baseline's. Memory is the most that
the network and two steps hold beyond the loaded program, in a process of its own for each variant (on a GPU: what torch
allocated).
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from functools import partial

import torch

from afanet import AFA, Dense, Pooled, create_network
from afanet.networks.memory_format import channels_last
from timing import Work, about, in_turns, peak_memories, ratios, spread, training_step


@dataclass(frozen=True)
class Case:
    """A pair of tasks with the size of their batches."""

    outputs: dict[str, Dense | Pooled]
    batch: int
    size: int


CASES = {
    "image": Case({"gender": Pooled(2), "age": Pooled(8)}, 4, 224),
    "pixel": Case({"segmentation": Dense(40), "depth": Dense(1)}, 2, 289),
}
UNFUSED, FUSED, SEQUENTIAL, BF16 = "unfused", "AFA", "AFA, CAM then SAM", "AFA, bf16 channels-last"
RATIOS = [(FUSED, UNFUSED), (SEQUENTIAL, UNFUSED), (FUSED, SEQUENTIAL), (BF16, FUSED)]


def step_of(case: Case, variant: str, device: str) -> Work:
    """A function that trains one step."""
    torch.manual_seed(0)
    method = "single" if variant == UNFUSED else "afa"
    network = create_network(method, case.outputs, "resnet50", size=(case.size, case.size)).to(device)
    for layer in network.modules():
        if isinstance(layer, AFA):
            layer.composed = variant != SEQUENTIAL
    images = torch.randn(case.batch, 3, case.size, case.size, device=device)
    if variant == BF16:
        network, images = channels_last(network), images.contiguous(memory_format=torch.channels_last)
    return training_step(network, images, half=variant == BF16)


def main() -> None:
    """Time all variants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="steps of each variant that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    options = parser.parse_args()
    variants, device = [UNFUSED, FUSED, SEQUENTIAL, BF16], options.device
    names = [options.case] if options.case else list(CASES)
    memory = peak_memories(
        {(name, variant): partial(step_of, CASES[name], variant, device) for name in names for variant in variants},
        device,
    )
    for name in names:
        case = CASES[name]
        print(f"{name}: batch {case.batch}, {case.size}x{case.size}, {about(device)}")
        steps = {variant: step_of(case, variant, device) for variant in variants}
        times = in_turns(steps, options.rounds, device).seconds
        for variant in variants:
            print(f"  {variant:24} {statistics.median(times[variant]):7.3f} s  {memory[name, variant]:7.0f} MiB")
        for variant, baseline in RATIOS:
            print(f"  {variant} / {baseline}: {spread(ratios(times, variant, baseline))}")


if __name__ == "__main__":
    main()
