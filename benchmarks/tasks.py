"""What methods cost as tasks are added: the layer alone, one step forward and backward, or whole networks.

    python benchmarks/tasks.py [--seconds 1.5] [--threads 1] [--batch 4] [--channels 256] [--size 12 16]
    python benchmarks/tasks.py --networks [--tasks 2 4 5] [--rounds 5] [--threads 1] [--batch 4] [--size 144 192]
        [--page PAGE.md]

N tensors of one shape go in, for N = 2, 4, 8, 16, 40. A time is the shortest of many, since other work on the machine
only ever adds to it; one thread waits for no other. Peak memory is what torch's allocator held at most during a step
beyond what it held before, by its own record: outputs, what is kept for the way back, gradients. "Over N=2" is the time
of a task over that of a task at N = 2. The fits are the power of N that comes closest to the figures, and how far these
lie from the nearest straight line, both by relative error.

With `--networks`, every method of the package has 2, 4 and 5 dense tasks on one backbone and `mlp` heads: parameters,
operations of an answer for one image, and the times of a training step on a batch and of an answer for one image. A
time is the median over rounds, in which all methods take turns, of the processor's time, over that of `single` with as
many tasks. The step learns from initial predictions too, where a method makes some.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from afanet import AFA, NDDR, CrossStitch, Dense, create_network
from afanet.fusion import Sluice
from afanet.networks.memory_format import channels_last
from afanet.networks.methods import METHODS
from afanet.networks.mtan import Attention
from afanet.training.cost import flops, parameters
from timing import Work, about, in_turns, put_on, ratios
from timing import training_step as step_of

TASKS = [2, 4, 8, 16, 40]
OUTPUTS = {"segmentation": 21, "parts": 7, "normals": 3, "saliency": 2, "edges": 1}  # as PASCAL-Context has them


class MTANStage(nn.Module):
    """Every task's attention at one stage: the first tensor is the trunk's, the N are what tasks took of the last."""

    def __init__(self, channels: int, tasks: int, size: Sequence[int]) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Attention(channels, channels, channels) for _ in range(tasks))

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [attention(xs[0], xs[0], x) for attention, x in zip(self.attentions, xs, strict=True)]


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "AFA": AFA,
    "cross-stitch": CrossStitch,
    "NDDR": NDDR,
    "sluice": Sluice,
    "MTAN attention": MTANStage,
}


def training_step(layer: nn.Module, shape: Sequence[int], tasks: int) -> Callable[[], None]:
    """A function that runs the layer forward and backward."""
    xs = [torch.randn(*shape).relu_().requires_grad_() for _ in range(tasks)]
    grads = [torch.randn(*shape) for _ in range(tasks)]

    def step() -> None:
        for tensor in [*xs, *layer.parameters()]:
            tensor.grad = None
        torch.autograd.backward(layer(xs), grads)

    return step


def shortest(step: Callable[[], None], seconds: float) -> float:
    """The shortest of the steps that fit into these seconds, one at least after the first, which is not counted."""
    times: list[float] = []
    while len(times) < 2 or sum(times) < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peak_memory(step: Callable[[], None]) -> float:
    """MiB that are held at most during the step beyond what is held before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    events = [event for event in record.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()))) / 2**20


def fits(tasks: Sequence[int], costs: Sequence[float]) -> tuple[float, float]:
    """The power of N that comes closest to the costs, and their largest relative distance from a straight line."""
    n, cost = np.array(tasks, float), np.array(costs)
    power = np.polyfit(np.log(n), np.log(cost), 1)[0]
    slope, start = np.polyfit(n, cost, 1, w=1 / cost)
    return float(power), float(np.abs((start + slope * n) / cost - 1).max())


def layers(options: argparse.Namespace) -> None:
    """Measure every layer at every N and print the tables and the fits."""
    shape = (options.batch, options.channels, *options.size)
    print(f"features {shape}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, make in LAYERS.items():
        print(f"{name}\n    N  time, ms  over N=2  parameters  peak, MiB")
        times, memory = [], []
        for tasks in TASKS:
            torch.manual_seed(0)
            layer = make(options.channels, tasks=tasks, size=options.size).train()
            step = training_step(layer, shape, tasks)
            times.append(shortest(step, options.seconds))
            memory.append(peak_memory(step))
            over = times[-1] / tasks / (times[0] / TASKS[0])
            count = sum(parameter.numel() for parameter in layer.parameters())
            print(f"  {tasks:3} {times[-1] * 1e3:9.2f} {over:9.2f} {count:11,} {memory[-1]:10.1f}", flush=True)
        for what, costs in {"time": times, "memory": memory}.items():
            power, distance = fits(TASKS, costs)
            print(f"  {what} goes as N^{power:.2f}; at most {distance:.0%} from a straight line")


def made(method: str, tasks: int, options: argparse.Namespace) -> nn.Module:
    """A network by this method for so many tasks."""
    torch.manual_seed(0)
    outputs = {task: Dense(channels) for task, channels in list(OUTPUTS.items())[:tasks]}
    return channels_last(create_network(method, outputs, options.backbone, size=options.size, head="mlp"))


def answer(network: nn.Module, image: Tensor) -> Work:
    """A function that answers for an image."""
    network.eval()

    def work() -> None:
        with torch.inference_mode():
            network(image)

    return work


def networks(options: argparse.Namespace) -> None:
    """Measure all methods at every number of tasks, print the table, and put it on a page."""
    titles = ["tasks", "method", "parameters, M", "GFLOPs", "a step, over `single`", "an answer, over `single`"]
    lines = [f"| {' | '.join(titles)} |\n", "| --- " * len(titles) + "|\n"]
    images = torch.randn(options.batch, 3, *options.size).contiguous(memory_format=torch.channels_last)
    for tasks in options.tasks:
        by_method = {method: made(method, tasks, options) for method in METHODS.own}
        costs = {method: (parameters(net) / 1e6, flops(net, options.size) / 1e9) for method, net in by_method.items()}
        answers = {method: answer(net, images[:1]) for method, net in by_method.items()}
        quick = in_turns(answers, options.rounds, "cpu").processor
        steps = {method: step_of(net, images) for method, net in by_method.items()}
        slow = in_turns(steps, options.rounds, "cpu").processor
        for method, (millions, operations) in costs.items():
            over = [statistics.median(ratios(times, method, "single")) for times in (slow, quick)]
            cells = [str(tasks), f"`{method}`", f"{millions:.2f}", f"{operations:.2f}", *(f"{x:.2f}" for x in over)]
            lines.append(f"| {' | '.join(cells)} |\n")
            print(lines[-1], end="", flush=True)
    print(f"{options.backbone}, {options.size[0]}x{options.size[1]}, a batch of {options.batch}, {about('cpu')}")
    if options.page:
        put_on(options.page, lines)


def main() -> None:
    """Measure layers or networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", action="store_true", help="whole networks, not layers")
    parser.add_argument("--seconds", type=float, default=1.5, help="of steps for each layer and N")
    parser.add_argument("--rounds", type=int, default=5, help="in which networks take turns")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--channels", type=int, default=256, help="of a layer's features")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="of networks")
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 4, 5], help="of networks")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="of features (12 16) or images (144 192)")
    parser.add_argument("--page", type=Path, help="where the table of networks goes")
    options = parser.parse_args()
    options.size = tuple(options.size or ((144, 192) if options.networks else (12, 16)))
    torch.set_num_threads(options.threads)
    measure = networks if options.networks else layers
    measure(options)


if __name__ == "__main__":
    main()
