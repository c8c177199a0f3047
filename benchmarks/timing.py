"""What the scripts here share: a training step, variants that take turns, their ratios, memory, and a page's table."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker

from afanet.comparison.costs import held_at_most, held_now

Work = Callable[[], object]
Times = dict[str, list[float]]  # by variant, for each round
Key = TypeVar("Key")
WARM_UP = 2  # rounds before those that count
START, END = "<!-- costs -->\n", "<!-- end of costs -->"


class Turns(NamedTuple):
    """The seconds of each variant in each round: those of the clock, and those of the processor."""

    seconds: Times
    processor: Times

    def steadier(self, device: str) -> Times:
        """Those of the processor on a CPU, where other work changes them less; else those of the clock."""
        return self.processor if device == "cpu" else self.seconds


def training_step(network: nn.Module, images: Tensor, half: bool = False) -> Work:
    """A function that trains one step by SGD with momentum on the mean squares of all outputs; in bf16 if `half`."""
    optimizer = torch.optim.SGD(network.train().parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
            outputs = network(images)
        sum(output.float().square().mean() for output in outputs.values()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def in_turns(variants: Mapping[str, Work], rounds: int, device: str) -> Turns:
    """The times of all variants, which take turns so that ratios hold where the machine's speed drifts.

    Times include the work that the device has then to do. The first `WARM_UP` rounds do not count.
    """
    clocks = Turns({name: [] for name in variants}, {name: [] for name in variants})
    for number in range(rounds + WARM_UP):
        for name, work in variants.items():
            start = time.perf_counter(), time.process_time()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            end = time.perf_counter(), time.process_time()
            for times, before, after in zip(clocks, start, end, strict=True):
                times[name] += [after - before] if number >= WARM_UP else []
    return clocks


def ratios(times: Times, variant: str, base: str) -> list[float]:
    """A variant's time over that of the base, round by round."""
    return [a / b for a, b in zip(times[variant], times[base], strict=True)]


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The median, and the smallest and the largest.

    >>> spread([1.0, 3.0, 2.0], 1)
    '2.0 (1.0 to 3.0)'
    """
    median, least, most = (f"{value:.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({least} to {most})"


def peak_memories(makers: Mapping[Key, Callable[[], Work]], device: str) -> dict[Key, float]:
    """MiB that each variant holds at most in two steps, beyond the loaded program, in a process of its own.

    A maker makes the network and returns the step. Call it before anything is built here: a process counts its parent's
    memory at birth as its own.
    """
    jobs = [(make, device, torch.get_num_threads()) for make in makers.values()]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return dict(zip(makers, pool.starmap(_peak_memory, jobs, chunksize=1), strict=True))


def _peak_memory(make: Callable[[], Work], device: str, threads: int) -> float:
    torch.set_num_threads(threads)
    before = held_now(torch.device(device))
    step = make()
    step(), step()
    return (held_at_most(torch.device(device)) - before) / 2**20


def held(network: nn.Module, image: Tensor, **options: object) -> int:
    """The bytes of all tensors of a pass at its peak, without the weights."""
    tracker = MemTracker()
    with torch.no_grad(), tracker:
        network(image, **options)
    peak = tracker.get_tracker_snapshot("peak")[image.device]["Total"]
    return peak - sum(tensor.nbytes for tensor in [*network.parameters(), *network.buffers()])


def about(device: str) -> str:
    """What a time depends on beside the network, for a line."""
    return f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def put_on(page: Path, lines: Iterable[str]) -> None:
    """Put a table on a Markdown page, in place of the one between the marks; at its end where it has none."""
    text = page.read_text(encoding="utf-8")
    before, after = text.partition(START)[0], text.partition(END)[2]
    page.write_text(f"{before}{START}{''.join(lines)}{END}{after}", encoding="utf-8")
