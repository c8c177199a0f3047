"""What a network costs for some of its tasks, beside the same network for all of them: six methods, every subset.

    python benchmarks/subsets.py [--rounds 15] [--device cpu] [--tasks 2 3] [--size 96 128] [--page docs/some-tasks.md]

ResNet-18 with a head for each of two or three tasks, one image, in evaluation. Operations are multiplications and
additions; parameters those of the layers that run. Variants take turns, so that a ratio of latencies holds where the
machine's speed drifts; it is the median over the rounds, on a CPU of the processor's time. Memory is what the tensors
of one pass take at most, without the weights. With `--page` the table replaces that on the page.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from afanet import Dense, create_network
from afanet.networks import Woven
from afanet.networks.methods import compared
from timing import about, held, in_turns, put_on, ratios

CHANNELS = {"segmentation": 13, "depth": 1, "normals": 3}
Size = tuple[int, int]


def made(method: str, count: int, size: Size, device: str) -> Woven:
    """A network of the first `count` tasks."""
    torch.manual_seed(0)
    outputs = {task: Dense(channels) for task, channels in list(CHANNELS.items())[:count]}
    return create_network(method, outputs, "resnet18", size=size).to(device).eval()


def run(network: Woven, image: torch.Tensor, tasks: Sequence[str]) -> None:
    """One pass for some tasks."""
    with torch.inference_mode():
        network(image, tasks=tasks)


def subsets(count: int) -> list[tuple[str, ...]]:
    """Every choice among the first `count` tasks, all of them first."""
    tasks = list(CHANNELS)[:count]
    return [chosen for size in range(count, 0, -1) for chosen in combinations(tasks, size)]


def counted(network: Woven, image: torch.Tensor, tasks: Sequence[str]) -> tuple[int, int]:
    """The operations of a pass, and the parameters of the layers that run in it."""
    ran: dict[int, int] = {}

    def note(module: torch.nn.Module, given: object) -> None:
        ran.update({id(parameter): parameter.numel() for parameter in module.parameters(recurse=False)})

    hooks = [module.register_forward_pre_hook(note) for module in network.modules()]
    with FlopCounterMode(display=False) as counter:
        run(network, image, tasks)
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops(), sum(ran.values())


def rows(method: str, count: int, size: Size, rounds: int, device: str) -> list[str]:
    """The rows of one method."""
    choices = subsets(count)
    network, image = made(method, count, size, device), torch.randn(1, 3, *size, device=device)
    passes = {", ".join(tasks): partial(run, network, image, tasks) for tasks in choices}
    times = in_turns(passes, rounds, device).steadier(device)
    lines = []
    for tasks in choices:
        name = ", ".join(tasks)
        operations, parameters = counted(network, image, tasks)
        cells = [f"`{method}`", "all " + str(count) if len(tasks) == count else name, f"{operations / 1e9:.2f}"]
        cells += [f"{parameters / 1e6:.1f}", f"{statistics.median(ratios(times, name, ', '.join(choices[0]))):.2f}"]
        lines.append(f"| {' | '.join(cells)} | {held(network, image, tasks=tasks) / 2**20:.1f} |\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="What a network costs for some of its tasks.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tasks", type=int, nargs="+", choices=(2, 3), default=(2, 3), help="of the networks")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    lines = ["| method | tasks | GFLOPs | parameters, M | latency over that for all | memory, MiB |\n"]
    lines += ["| --- | --- | --- | --- | --- | --- |\n"]
    for count in given.tasks:
        for method in compared():
            lines += rows(method, count, tuple(given.size), given.rounds, given.device)
    print("".join(lines))
    print(about(given.device))
    if given.page:
        put_on(given.page, lines)


if __name__ == "__main__":
    main()
