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
import multiprocessing
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from afanet import AFA, Dense, Pooled, create_network
from afanet.comparison.costs import held_at_most, held_now


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


def training_step(case: Case, variant: str, device: str) -> Callable[[], None]:
    """A function that trains one step."""
    torch.manual_seed(0)
    method = "single" if variant == UNFUSED else "afa"
    network = create_network(method, case.outputs, "resnet50", size=(case.size, case.size)).to(device).train()
    for layer in network.modules():
        if isinstance(layer, AFA):
            layer.composed = variant != SEQUENTIAL
    images = torch.randn(case.batch, 3, case.size, case.size, device=device)
    if variant == BF16:
        network, images = _channels_last(network), images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16, enabled=variant == BF16):
            outputs = network(images)
        sum(output.float().square().mean() for output in outputs.values()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _channels_last(network: nn.Module) -> nn.Module:
    return network.to(memory_format=torch.channels_last)


def seconds(step: Callable[[], None], device: str) -> float:
    """How long a step takes, the device's work included."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_memory(name: str, variant: str, device: str, threads: int) -> float:
    """MiB that two steps hold at most, network included, beyond what the process or the GPU held before."""
    torch.set_num_threads(threads)
    before = held_now(torch.device(device))
    step = training_step(CASES[name], variant, device)
    step(), step()
    return (held_at_most(torch.device(device)) - before) / 2**20


def main() -> None:
    """Time all variants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="steps of each variant that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    options = parser.parse_args()
    variants = [UNFUSED, FUSED, SEQUENTIAL, BF16]
    names = [options.case] if options.case else list(CASES)
    jobs = [(name, variant, options.device, torch.get_num_threads()) for name in names for variant in variants]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        # before anything is built here: a process counts its parent's memory at birth as its own
        memory = dict(zip([job[:2] for job in jobs], pool.starmap(peak_memory, jobs, chunksize=1), strict=True))
    for name in names:
        print(f"{name}: batch {CASES[name].batch}, {CASES[name].size}x{CASES[name].size}, "
              f"{options.device}, {torch.get_num_threads()} threads, torch {torch.__version__}")  # fmt: skip
        steps = {variant: training_step(CASES[name], variant, options.device) for variant in variants}
        times: dict[str, list[float]] = {variant: [] for variant in variants}
        for turn in range(options.rounds + 2):
            for variant, step in steps.items():
                took = seconds(step, options.device)
                if turn >= 2:  # the first two warm up
                    times[variant].append(took)
        for variant in variants:
            print(f"  {variant:24} {statistics.median(times[variant]):7.3f} s  {memory[name, variant]:7.0f} MiB")
        for variant, baseline in RATIOS:
            ratios = [a / b for a, b in zip(times[variant], times[baseline], strict=True)]
            print(f"  {variant} / {baseline}: {statistics.median(ratios):.3f} "
                  f"(from {min(ratios):.3f} to {max(ratios):.3f})")  # fmt: skip


if __name__ == "__main__":
    main()
