"""What a GPU makes of the training: roofs, the AFA layer, steps a second, data, waits, and how long a run takes.

    PYTHONPATH=benchmarks python benchmarks/gpu/measure.py OUT [--minutes 8] [--dry]

Writes OUT/gpu.json after each part, and OUT/gpu.md. A part that would begin after `--minutes` is left out. The network
is that of the recipe `nyuv2-13-scratch` (ResNet-50, 288x384, batch 4, three tasks) on generated rooms. With `--dry`
everything is tiny and on the CPU, and nothing is compiled: it shows that the script runs, and its numbers say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from afanet import AFA
from afanet.data import Batch
from afanet.data.prepare import prepare
from afanet.data.resident import resident
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.setup import data_cache, open_tasks, open_whole
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader
from learning import generated, learner_of
from timing import Work

FRAMES, EPOCHS = 795, 200  # of NYUv2's training split, and of the recipe
Part = dict[str, Any]


class Setting(NamedTuple):
    """On what is measured: the device, and how large and how often."""

    device: str
    size: tuple[int, int]
    backbone: str
    batch: int
    side: int  # of the matrices whose product is timed
    channels: int  # of the features that the AFA layer mixes
    scenes: int
    rounds: int

    def recipe(self, method: str, **keys: Any) -> Recipe:
        """`nyuv2-13-scratch` on generated rooms."""
        rooms = {"train_scenes": self.scenes, "test_scenes": 1, "normals": True}
        small = {"data.name": "rooms", "data.options": rooms, "data.size": self.size, "batch_size": self.batch}
        part = {"network.backbone": self.backbone, "network.method": method, "device": self.device}
        return load_recipe("nyuv2-13-scratch", small | part | keys)


GPU = Setting("cuda", (288, 384), "resnet50", 4, 8192, 2048, 64, 20)
DRY = Setting("cpu", (32, 48), "resnet10t", 2, 64, 16, 4, 1)


def seconds(work: Work, setting: Setting) -> float:
    """The median time of one call, after two that do not count."""
    times = []
    for _ in range(setting.rounds + 2):
        _wait(setting)
        start = perf_counter()
        work()
        _wait(setting)
        times.append(perf_counter() - start)
    return median(times[2:])


def _wait(setting: Setting) -> None:
    if setting.device == "cuda":
        torch.cuda.synchronize()


def roofs(setting: Setting, found: Part) -> Part:
    """Bytes a second of a copy, read and written, and operations a second of products of matrices."""
    source = torch.empty(setting.side**2, device=setting.device)
    goal = torch.empty_like(source)
    rates = {"bytes/s": 2 * source.nbytes / seconds(lambda: goal.copy_(source), setting)}
    for kind in (torch.float32, torch.bfloat16):
        matrix = torch.randn(setting.side, setting.side, device=setting.device, dtype=kind)
        rates[f"operations/s {kind}"] = 2 * setting.side**3 / seconds(lambda x=matrix: x @ x, setting)  # type: ignore[misc]
    return rates


def afa_layer(setting: Setting, found: Part) -> Part:
    """The layer's time over that of reading its inputs twice and writing its outputs once."""
    height, width = (side // 8 for side in setting.size)
    shares = {}
    for kind in (torch.float32, torch.bfloat16):
        layer = AFA(setting.channels, tasks=2, size=(height, width)).to(setting.device).eval()
        shape = (setting.batch, setting.channels, height, width)
        features = [torch.randn(shape, device=setting.device).to(kind) for _ in range(2)]
        features = [x.contiguous(memory_format=torch.channels_last) for x in features]
        least = 3 * sum(x.nbytes for x in features) / found["roofs"]["bytes/s"]
        for name in ("eager", "compiled"):
            if name == "compiled":
                _compile(layer, setting, None)
            with torch.inference_mode(), torch.autocast(setting.device, kind, enabled=kind is torch.bfloat16):
                shares[f"{kind} {name}"] = seconds(lambda m=layer, x=features: m(x), setting) / least  # type: ignore[misc]
    return shares


def steps(setting: Setting, found: Part) -> Part:
    """Steps a second, and the share of the products' rate, by method, precision and how the network runs."""
    rates = {}
    batch = generated(setting.recipe("hard"), setting.device)
    for method in ("hard", "afa"):
        for precision in ("float32", "bf16"):
            learner = learner_of(setting.recipe(method, precision=precision), setting.device)
            with FlopCounterMode(display=False) as count:
                learner.learn(batch)
            for name, mode in {"eager": None, "compiled": "default", "CUDA graphs": "reduce-overhead"}.items():
                if mode is not None:
                    _compile(learner.network, setting, mode)
                rate = 1 / seconds(lambda one=learner: one.learn(batch), setting)  # type: ignore[misc]
                kind = torch.bfloat16 if precision == "bf16" else torch.float32
                share = rate * count.get_total_flops() / found["roofs"][f"operations/s {kind}"]
                rates[f"{method} {precision} {name}"] = {"steps/s": rate, "share of the roof": share}
    return rates


def _compile(network: torch.nn.Module, setting: Setting, mode: str | None) -> None:
    torch.compiler.reset()
    network.compile(mode=mode, disable=setting.device == "cpu")


def data(setting: Setting, found: Part) -> Part:
    """Steps a second with samples from the cache by worker processes, and from the device's memory."""
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AFANET_CACHE"] = folder
        recipe = setting.recipe("hard", workers=4 if setting.device == "cuda" else 0, precision="bf16")
        prepare(open_whole(recipe), data_cache(recipe), workers=recipe.workers)
        cached, tasks = open_tasks(recipe)
        learner = learner_of(recipe, setting.device)
        whole = resident(cached, tasks, torch.device(setting.device))
        for name, source in {"cache": cached, "resident": whole}.items():
            loader: Any = train_loader(source, recipe)
            stream = map(learner.fabric.to_device, chain.from_iterable(repeat(loader)))
            rates[name] = {"steps/s": 1 / seconds(_next_step(learner, stream), setting)}
    return rates


def _next_step(learner: Learner, stream: Iterator[Batch]) -> Work:
    return lambda: learner.learn([next(stream)])


def waits(setting: Setting, found: Part) -> Part:
    """Where a step waits for the device, as torch's sync debug mode tells."""
    learner = learner_of(setting.recipe("afa", precision="bf16"), setting.device)
    batch = generated(learner.recipe, setting.device)
    learner.learn(batch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        if setting.device == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
        learner.learn(batch)
        if setting.device == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    places = [f"{Path(one.filename).name}:{one.lineno}" for one in told if "synchroniz" in str(one.message)]
    return {"count": len(places), "places": ", ".join(sorted(set(places)))}


def run_time(setting: Setting, found: Part) -> Part:
    """Minutes of the steps of all epochs, without the scores, by the rates above."""
    count = FRAMES // GPU.batch * EPOCHS
    return {name: count / rate["steps/s"] / 60 for name, rate in found["steps"].items()}


PARTS: list[Callable[[Setting, Part], Part]] = [roofs, afa_layer, steps, data, waits, run_time]


def table(found: Part) -> str:
    """All that was found, in Markdown."""
    lines = []
    for part, values in found.items():
        lines += [f"\n## {part.replace('_', ' ')}\n", "| what | |", "| --- | --- |"]
        for name, value in values.items():
            text = ", ".join(f"{key} {_shown(one)}" for key, one in value.items()) if isinstance(value, dict) else value
            lines.append(f"| {name} | {text if isinstance(text, str) else _shown(text)} |")
    return "\n".join(lines) + "\n"


def _shown(value: float) -> str:
    return f"{value:.4g}"


def measure(out: Path, setting: Setting, minutes: float) -> Part:
    """All parts that begin in time, written to `out` as they come."""
    out.mkdir(parents=True, exist_ok=True)
    start, found = perf_counter(), dict[str, Any]()
    for part in PARTS:
        if perf_counter() - start > 60 * minutes:
            break
        found[part.__name__] = part(setting, found)
        print(f"{part.__name__}: {perf_counter() - start:.0f} s since the start", flush=True)
        (out / "gpu.json").write_text(json.dumps({"setting": setting._asdict(), **found}, indent=1))
        (out / "gpu.md").write_text(table(found))
    return found


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--dry", action="store_true", help="tiny, on the CPU")
    given = parser.parse_args()
    print(table(measure(given.out, DRY if given.dry else GPU, given.minutes)))


if __name__ == "__main__":
    main()
