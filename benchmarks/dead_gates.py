"""How many of SAM's hidden units are dead before the first step, as the original begins and with `alive`.

    python benchmarks/dead_gates.py [--backbone resnet18] [--size 96 128] [--seeds 12]

Networks of two dense tasks with random weights, in training, and a batch of four images of noise. A unit is dead if it
is zero for all four: behind a ReLU it then gets no gradient, and stays dead unless the features change.
"""

from __future__ import annotations

import argparse

import torch

from afanet import Dense, create_network, record_hidden

OUTPUTS = {"segmentation": Dense(13), "depth": Dense(1)}


def dead_shares(backbone: str, size: tuple[int, int], seed: int, alive: bool) -> list[float]:
    """The share of dead hidden units at each layer where the tasks meet."""
    torch.manual_seed(seed)
    network = create_network("afa", OUTPUTS, backbone, size=size, alive=alive).train()
    with record_hidden(network) as hidden, torch.no_grad():
        network(torch.randn(4, 3, *size))
    return [(kinds["spatial"] == 0).all(0).float().mean().item() for kinds in hidden.values()]


def main() -> None:
    """Print a row for each way to begin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--seeds", type=int, default=12)
    given = parser.parse_args()
    print("| SAM begins | layers | all units dead | more than 8 of 10 dead | mean share of dead units |")
    print("| --- | --- | --- | --- | --- |")
    for alive in (False, True):
        shares = [
            share
            for seed in range(given.seeds)
            for share in dead_shares(given.backbone, tuple(given.size), seed, alive)
        ]
        counts = sum(share == 1 for share in shares), sum(share > 0.8 for share in shares)
        title = "`alive`" if alive else "as the original"
        print(f"| {title} | {len(shares)} | {counts[0]} | {counts[1]} | {100 * sum(shares) / len(shares):.0f} % |")


if __name__ == "__main__":
    main()
