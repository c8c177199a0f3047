"""What precision costs in one run: heads that end in float32 in a bf16 step, and answers in float32 instead of bf16.

    python benchmarks/precision.py [--rounds 10] [--device cpu] [--case small|large]

Variants take turns, so that a ratio holds where the machine's speed drifts; a ratio is the median over the rounds.
Small is AFA on ResNet-18 with batch 8 at 96x128, as in the recipe `rooms`; large is AFA on ResNet-50 with batch 2 at
289x289. Both have segmentation and depth by DeepLabv3+. Answers are for one image.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

import torch

from afanet import Dense, create_network
from afanet.distributed.device import answering
from afanet.networks.heads import layers
from afanet.networks.memory_format import channels_last
from timing import about, in_turns, ratios, spread


@dataclass(frozen=True)
class Case:
    """A backbone, and the batches that it learns from."""

    backbone: str
    batch: int
    size: tuple[int, int]


CASES = {"small": Case("resnet18", 8, (96, 128)), "large": Case("resnet50", 2, (289, 289))}
FLOAT32, BF16, ENDS = "step in float32", "step in bf16, all of it", "step in bf16, heads end in float32"
ANSWER_BF16, ANSWER = "answer in bf16", "answer in float32"
RATIOS = [(ENDS, BF16), (FLOAT32, ENDS), (ANSWER, ANSWER_BF16)]


def variants(case: Case, device: str) -> dict[str, Callable[[], None]]:
    """A function for each variant, all of them on one network."""
    torch.manual_seed(0)
    outputs = {"segmentation": Dense(13), "depth": Dense(1)}
    network = channels_last(create_network("afa", outputs, case.backbone, size=case.size)).to(device)
    images = torch.randn(case.batch, 3, *case.size, device=device).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, fused=True)

    def step(half: bool, ends: bool) -> None:
        network.train()
        before: AbstractContextManager[object] = nullcontext()
        if not ends:
            before = patch.object(layers, "in_full_precision", lambda x: nullcontext())
        with torch.autocast(device, torch.bfloat16, enabled=half), before:
            logits = network(images)
        sum(values.float().square().mean() for values in logits.values()).backward()
        optimizer.step()
        optimizer.zero_grad()

    def answer(half: bool) -> None:
        network.eval()
        with answering(torch.device(device)), torch.autocast(device, torch.bfloat16, enabled=half):
            network(images[:1])

    return {
        FLOAT32: lambda: step(False, True),
        BF16: lambda: step(True, False),
        ENDS: lambda: step(True, True),
        ANSWER_BF16: lambda: answer(True),
        ANSWER: lambda: answer(False),
    }


def main() -> None:
    """Time all variants in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="turns of each variant that count")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    options = parser.parse_args()
    for name in [options.case] if options.case else list(CASES):
        case = CASES[name]
        shape = f"{case.size[0]}x{case.size[1]}"
        print(f"{name}: {case.backbone}, batch {case.batch}, {shape}, {about(options.device)}")
        times = in_turns(variants(case, options.device), options.rounds, options.device).seconds
        for variant, taken in times.items():
            print(f"  {variant:36} {statistics.median(taken):7.3f} s")
        for variant, baseline in RATIOS:
            print(f"  {variant} / {baseline}: {spread(ratios(times, variant, baseline))}", flush=True)


if __name__ == "__main__":
    main()
