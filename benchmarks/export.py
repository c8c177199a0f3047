"""How fast an exported network answers, and in how much memory: each kind of file beside PyTorch.

    python benchmarks/export.py --runs FOLDER [--methods single afa] [--steps 40] [--rounds 15] [--threads 2]

Each of the six methods is trained on generated rooms (`rooms`, resnet18, 96x128), for a few steps, or taken from
FOLDER/METHOD where it is there, and exported by `afanet export`, in float32, `--int8` and `--fp16`, for ONNX Runtime
and, where it is installed, for OpenVINO. The tolerance is 1: what int8 costs is measured, and refuses nothing. Every
variant runs in a process of its own, one after the other, that answers one image at a time; within a method variants
take turns, and a ratio is the median over the turns. Memory is what a process holds at most beyond what it held before
it loaded the network; the libraries are loaded then. Scores are those on held-out rooms that the files hold.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from afanet.comparison.costs import held_at_most, held_now
from afanet.export import Compression, export_run
from afanet.inference.formats import open_file
from afanet.inference.openvino_model import PLAIN
from afanet.networks.methods import compared
from afanet.recipe.load import load_recipe
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks
from afanet.training.run import train

METHODS = compared()
TORCH = "PyTorch"
FILES: dict[str, tuple[str, tuple[str, Any]]] = {
    "ONNX Runtime": ("model.onnx", ("onnx", None)),
    "ONNX Runtime, int8": ("model-int8.onnx", ("onnx", "int8")),
    "ONNX Runtime, fp16": ("model-fp16.onnx", ("onnx", "fp16")),
    "OpenVINO": ("model.xml", ("openvino", None)),
    "OpenVINO, int8": ("model-int8.xml", ("openvino", "int8")),
}
if find_spec("openvino") is None:
    FILES = {variant: made for variant, made in FILES.items() if made[1][0] != "openvino"}
CPU = torch.device("cpu")
Array = NDArray[np.float32]


def prepare(method: str, options: argparse.Namespace) -> Path:
    """The folder of a trained run, with its exported files in it."""
    folder: Path = options.runs / method
    if not (folder / "metrics.json").is_file():
        keys = {"network.method": method, "steps": options.steps, "batch_size": options.batch_size}
        keys |= {"device": "cpu", "workers": 0}
        scenes = {"train_scenes": options.scenes, "test_scenes": options.images}
        train(load_recipe("rooms", keys | {f"data.options.{name}": count for name, count in scenes.items()}), folder)
    for file, (format, precision) in FILES.values():
        if not (folder / file).is_file():
            export_run(folder, format, compression=Compression(precision, tolerance=1) if precision else None)
    return folder


def load(folder: Path, variant: str, threads: int) -> Callable[[Array], dict[str, Array]]:
    """The network as a function of images."""
    torch.set_num_threads(threads)
    if variant == TORCH:
        run = load_run(folder)
        plain = run.recipe.model_copy(update={"device": "cpu", "precision": "float32"})
        tasks = open_tasks(run.recipe)[1]
        network = LoadedNetwork(replace(run, recipe=plain), tasks).network

        def answer(images: Array) -> dict[str, Array]:
            with torch.inference_mode():
                logits = network(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
                return {name: task.estimate(logits[name]).numpy() for name, task in tasks.items()}

        return answer
    file, (format, _) = FILES[variant]
    if format == "openvino":
        import openvino

        core, settings = openvino.Core(), {**PLAIN, "INFERENCE_NUM_THREADS": threads}
        network = core.compile_model(core.read_model(folder / file), "CPU", settings)
        return lambda images: {put.any_name: answer for put, answer in network({"image": images}).items()}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(folder / file, options, providers=["CPUExecutionProvider"])
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
    size = load_run(folder).recipe.data.size
    context = multiprocessing.get_context("spawn")
    pipes, workers, memory = {}, [], {}
    for variant in (TORCH, *FILES):
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


def scores(folder: Path) -> dict[str, str]:
    """Each task's main metric by variant, on held-out rooms, as the files say."""
    run = load_run(folder)
    shown = {}
    for variant, (file, (_, precision)) in FILES.items():
        metrics = open_file(folder / file).description["metrics"] if precision else run.scores
        main = [f"{metrics[name][task.main_metric]:.4f}" for name, task in run.tasks.items()]
        shown[variant] = " | ".join(main)
    return shown


def main() -> None:
    """Train, export, quantise, take turns, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs, which are made where missing")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--steps", type=int, default=40, help="of training")
    parser.add_argument("--scenes", type=int, default=320, help="of training")
    parser.add_argument("--batch-size", type=int, default=8, help="of training")
    parser.add_argument("--rounds", type=int, default=15, help="turns that each variant takes")
    parser.add_argument("--images", type=int, default=32, help="held-out rooms on which files are scored")
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
            weight = "" if variant == TORCH else f"{megabytes(folder / FILES[variant][0]):.1f}"
            print(f"| {method} | {variant} | {1000 * statistics.median(times[variant]):.0f} | {speed:.2f} | "
                  f"{memory[variant]:.0f} | {memory[variant] / memory[TORCH]:.2f} | {weight} |")  # fmt: skip
    print("\n| method | variant | mIoU | depth error in m |\n" + "| --- " * 4 + "|")
    for method, folder in folders.items():
        for variant, shown in scores(folder).items():
            print(f"| {method} | {variant} | {shown} |", flush=True)


def megabytes(file: Path) -> float:
    """What a file takes, with the weights that OpenVINO keeps beside it."""
    files = [file, file.with_suffix(".bin")] if file.suffix == ".xml" else [file]
    return sum(part.stat().st_size for part in files) / 1e6


if __name__ == "__main__":
    main()
