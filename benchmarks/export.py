"""How fast an exported network answers, and in how much memory: ONNX Runtime, float32 and int8, beside PyTorch.

    python benchmarks/export.py --runs FOLDER [--methods single afa] [--steps 40] [--rounds 15] [--threads 2]

Each of the six methods is trained on generated rooms (`rooms`, resnet18, 96x128), for a few steps, or taken from
FOLDER/METHOD where it is there, and exported by `afanet export`. int8 is static quantisation (QDQ; weights by channel,
activations with their range on the first training rooms). Every variant runs in a process of its own, one after the
other, that answers one image at a time; within a method variants take turns, and a ratio is the median over the turns.
Memory is what a process holds at most beyond what it held before it loaded the network; the libraries are loaded then.
Errors of int8 are those of the figures on held-out rooms, and of the estimates against float32's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from afanet.comparison.costs import held_at_most, held_now
from afanet.comparison.look import Loaded, examples
from afanet.comparison.runs import Finished
from afanet.export import export_run
from afanet.networks.methods import compared
from afanet.recipe.load import load_recipe
from afanet.runs.setup import open_tasks
from afanet.training.run import train

METHODS = compared()
TORCH, FLOAT, INT8 = "PyTorch", "ONNX Runtime", "ONNX Runtime, int8"
CPU = torch.device("cpu")
Array = NDArray[np.float32]


class Rooms(CalibrationDataReader):
    """Training images, one at a time."""

    def __init__(self, images: torch.Tensor):
        self.left = iter(images.split(1))

    def get_next(self) -> dict[str, Array] | None:
        image = next(self.left, None)
        return None if image is None else {"image": image.numpy()}


def prepare(method: str, options: argparse.Namespace) -> Path:
    """The folder of a trained run, with `model.onnx` and `int8.onnx` in it."""
    folder: Path = options.runs / method
    if not (folder / "metrics.json").is_file():
        keys = {"network.method": method, "steps": options.steps, "batch_size": options.batch_size}
        keys |= {"device": "cpu", "workers": 0}
        scenes = {"train_scenes": options.scenes, "test_scenes": options.images}
        train(load_recipe("rooms", keys | {f"data.options.{name}": count for name, count in scenes.items()}), folder)
    file = folder / "model.onnx"
    if not file.is_file():
        export_run(folder, "onnx")
    data, tasks = open_tasks(Finished.read(folder).recipe)
    data = replace(data, test=data.train)  # rooms that are not scored
    images = examples(data, tasks, range(options.calibration))["image"]
    quant_pre_process(file, folder / "prepared.onnx", skip_symbolic_shape=True)  # which gives up on free sizes
    quantize_static(
        folder / "prepared.onnx",
        folder / "int8.onnx",
        Rooms(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],  # what costs; gates, resizing and probabilities stay float32
    )
    return folder


def load(folder: Path, variant: str, threads: int) -> Callable[[Array], dict[str, Array]]:
    """The network as a function of images."""
    torch.set_num_threads(threads)
    if variant == TORCH:
        run = Finished.read(folder)
        plain = run.recipe.model_copy(update={"device": "cpu", "precision": "float32"})
        tasks = open_tasks(run.recipe)[1]
        network = Loaded(replace(run, recipe=plain), tasks).network

        def answer(images: Array) -> dict[str, Array]:
            with torch.inference_mode():
                logits = network(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
                return {name: task.estimate(logits[name]).numpy() for name, task in tasks.items()}

        return answer
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    file = folder / ("int8.onnx" if variant == INT8 else "model.onnx")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images}), strict=True))


def serve(folder: Path, variant: str, threads: int, size: tuple[int, int], pipe: Any) -> None:
    """Answer one image whenever asked; first say what loading and two answers held."""
    before = held_now(CPU)
    image = np.random.default_rng(0).standard_normal((1, 3, *size), np.float32)
    answer = load(folder, variant, threads)
    answer(image), answer(image)
    pipe.send((held_at_most(CPU) - before) / 2**20)
    while pipe.recv():
        start = time.perf_counter()
        answer(image)
        pipe.send(time.perf_counter() - start)


def measure(folder: Path, options: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds by variant, turn by turn, and MiB."""
    size = Finished.read(folder).recipe.data.size
    context = multiprocessing.get_context("spawn")
    pipes, workers, memory = {}, [], {}
    for variant in (TORCH, FLOAT, INT8):
        pipes[variant], far = context.Pipe()
        workers.append(context.Process(target=serve, args=(folder, variant, options.threads, size, far)))
        workers[-1].start()
        memory[variant] = pipes[variant].recv()
    times: dict[str, list[float]] = {variant: [] for variant in pipes}
    for _ in range(options.rounds):
        for variant, pipe in pipes.items():
            pipe.send(True)
            times[variant].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    for worker in workers:
        worker.join()
    return times, memory


def figures(folder: Path, options: argparse.Namespace) -> tuple[dict[str, list[str]], dict[str, float]]:
    """mIoU and absolute error of depth by variant on held-out rooms, and by task int8's mean relative difference."""
    data, tasks = open_tasks(Finished.read(folder).recipe)
    batch = examples(data, tasks, range(options.images))
    found: dict[str, dict[str, Array]] = {}
    shown = {}
    for variant in (FLOAT, INT8):
        answer = load(folder, variant, options.threads)
        parts = [answer(image.numpy()) for image in batch["image"].split(1)]
        found[variant] = {name: np.concatenate([part[name] for part in parts]) for name in tasks}
        scores = {}
        for name, task in tasks.items():
            estimate = torch.from_numpy(found[variant][name])
            metrics = task.metrics()
            metrics.update(estimate.argmax(1) if name == "segmentation" else estimate, batch["targets"][name])
            scores[name] = metrics.compute()[task.main_metric].item()
        shown[variant] = [f"{score:.4f}" for score in scores.values()]
    off = {name: float(np.abs(found[INT8][name] - b).mean() / np.abs(b).mean()) for name, b in found[FLOAT].items()}
    return shown, off


def main() -> None:
    """Train, export, quantise, take turns, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs, which are made where missing")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--steps", type=int, default=40, help="of training")
    parser.add_argument("--scenes", type=int, default=320, help="of training")
    parser.add_argument("--batch-size", type=int, default=8, help="of training")
    parser.add_argument("--rounds", type=int, default=15, help="turns that each variant takes")
    parser.add_argument("--calibration", type=int, default=16, help="training rooms that set int8's ranges")
    parser.add_argument("--images", type=int, default=32, help="held-out rooms on which int8 is scored")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    folders = {method: prepare(method, options) for method in options.methods}
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {options.threads} threads, one image")
    print(f"{options.steps} steps of {options.batch_size}, torch {torch.__version__}, "
          f"onnxruntime {onnxruntime.__version__}\n")  # fmt: skip
    print("| method | variant | ms | over PyTorch | MiB | over PyTorch | file, MB |\n" + "| --- " * 7 + "|")
    for method, folder in folders.items():
        times, memory = measure(folder, options)
        for variant in times:
            speed = statistics.median(a / b for a, b in zip(times[variant], times[TORCH], strict=True))
            file = {TORCH: "last.ckpt", FLOAT: "model.onnx", INT8: "int8.onnx"}[variant]
            weight = "" if variant == TORCH else f"{(folder / file).stat().st_size / 1e6:.1f}"
            print(f"| {method} | {variant} | {1000 * statistics.median(times[variant]):.0f} | {speed:.2f} | "
                  f"{memory[variant]:.0f} | {memory[variant] / memory[TORCH]:.2f} | {weight} |")  # fmt: skip
    print("\n| method | mIoU, float32 | int8 | depth error in m, float32 | int8 | "
          "int8 off, segmentation | int8 off, depth |\n" + "| --- " * 7 + "|")  # fmt: skip
    for method, folder in folders.items():
        shown, off = figures(folder, options)
        pairs = [f"{a} | {b}" for a, b in zip(shown[FLOAT], shown[INT8], strict=True)]
        print(
            f"| {method} | {' | '.join(pairs)} | {' | '.join(f'{100 * x:.1f} %' for x in off.values())} |", flush=True
        )


if __name__ == "__main__":
    main()
