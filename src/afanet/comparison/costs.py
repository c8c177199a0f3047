"""The cost of a training step and of a prediction, measured for one method after the other, each in its own process."""

from __future__ import annotations

import resource
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, suppress
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import nn

from afanet.comparison.groups import Group
from afanet.comparison.load import machine_load
from afanet.distributed.device import answering, find_device
from afanet.distributed.launch import end_with_parent
from afanet.distributed.processes import create_fabric
from afanet.errors import InputError
from afanet.outside import trust_again, trusted
from afanet.progress import Bar
from afanet.recipe.schema import Recipe
from afanet.runs.setup import build_network, deterministic, open_tasks
from afanet.tasks import Task
from afanet.tasks.class_weights import CountedTask
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader

ROUNDS = 5
STATUS = Path("/proc/self/status")  # only on Linux; elsewhere the peak is since the start of the process


def measure_costs(groups: Sequence[Group]) -> None:
    """Measure every group, and write `costs.json` into the folder of its first run, unless all groups have one.

    Either all are measured again or none: costs are comparable only from one machine in one state.
    """
    if all(group.runs[0].folder.costs.is_file() for group in groups):
        return
    with Bar(len(groups), "measuring costs", line=f"measuring the costs of {len(groups)} methods") as bar:
        for group in groups:
            folder = group.runs[0].folder
            folder.write(folder.costs, measure(group.recipe))
            bar.advance()


def measure(recipe: Recipe) -> dict[str, Any]:
    """`costs`: median seconds of a training step and of a prediction for one image, and the peak MiB of training.

    The step is in the recipe's precision, the prediction in float32, as runs predict.

    On the CPU, memory is the growth of the process since before it built the network; on CUDA it is PyTorch's
    allocations. `measured` describes the device, the settings and the `load` of the machine by other work just before.
    """
    load = machine_load()
    alone = recipe.model_copy(update={"devices": 1, "workers": 0, "two_stage": False, "warm_start": None})
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin, initargs=(trusted(),)) as pool:
        try:
            results = pool.submit(_measure, alone).result()
        except BrokenProcessPool:
            raise InputError(
                f"the process measuring the costs of '{recipe.network.method}' was killed, perhaps for lack of memory: "
                "give the same command again, or lower batch_size"
            ) from None
    results["measured"]["load"] = load and {"busy": load.busy, "cores": load.cores}
    return results


def _begin(code: frozenset[str]) -> None:
    end_with_parent()
    trust_again(code)


def _measure(recipe: Recipe) -> dict[str, Any]:
    device = find_device(recipe.device)
    with redirect_stderr(StringIO()), deterministic():
        data, tasks = open_tasks(recipe)
        fabric = create_fabric(recipe, device)
        batch = fabric.to_device(next(iter(train_loader(data, recipe))))
        before = held_now(device)
        tasks = {name: _weighted(task) for name, task in tasks.items()}
        learner = Learner(fabric, build_network(recipe, tasks, "none"), tasks, recipe, ROUNDS + 1)
        learner.train()
        step = _seconds(lambda: learner.learn([batch]), device)
        memory = held_at_most(device) - before
        answer = _answer(learner.network, batch["image"][:1], device)
    return {
        "costs": {"step_s": step, "latency_s": answer, "memory_mib": memory / 2**20},
        "measured": {
            "device": str(device),
            "threads": torch.get_num_threads(),
            "batch_size": len(batch["id"]),
            "precision": recipe.precision,
            "rounds": ROUNDS,
        },
    }


def _weighted(task: Task) -> Task:
    """The task, with equal weights in place of those that training counts: a step costs the same by any weights."""
    return task.with_counts([1] * task.states) if isinstance(task, CountedTask) and task.wants_counts else task


def _answer(network: nn.Module, image: torch.Tensor, device: torch.device) -> float:
    network.eval()
    image = image.contiguous(memory_format=torch.channels_last)
    with answering(device):
        return _seconds(lambda: network(image), device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """The median of several times, after a first run that does not count."""
    times = []
    for _ in range(ROUNDS + 1):
        started = perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(perf_counter() - started)
    return median(times[1:])


def held_now(device: torch.device) -> int:
    """The bytes in use now; the peak is counted from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    if STATUS.is_file():
        with suppress(OSError):  # if the peak cannot be reset, it counts from the start
            (STATUS.parent / "clear_refs").write_text("5")
        return _status("VmRSS")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def held_at_most(device: torch.device) -> int:
    """The peak of bytes since the call of `held_now`: of the process, or of PyTorch's allocations on CUDA."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM") if STATUS.is_file() else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status(key: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(key))
    return 1024 * int(line.split()[1])
