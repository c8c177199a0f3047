"""Several tasks in one network beside a network for each: operations, latency and memory for N = 1, 2, 3, 4 tasks.

    python benchmarks/sharing.py [--rounds 15] [--threads 1] [--size 144 192] [--heads mlp64 mlp] [--page PAGE.md]

EfficientNet-Lite0 at an output stride of 16 with N dense heads, one image, in evaluation: by PyTorch, channels-last,
and by ONNX Runtime. `single` is N networks. Everything is over one network of one task with the same head. A latency is
the median over rounds in which all variants take turns, of the processor's time, so that other work changes it little.
Memory is what the tensors of one pass take at most, without the weights. Weights are random: they change no cost.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

from afanet import Dense, create_network
from afanet.networks import Woven
from afanet.networks.memory_format import channels_last
from timing import Work, about, held, in_turns, put_on, ratios

TASKS = {"segmentation": 13, "depth": 1, "normals": 3, "edges": 1}
BACKBONE = "tf_efficientnet_lite0"
Size = tuple[int, int]


class Shape(NamedTuple):
    """A network: its method, the stages of its trunk, its heads and how many tasks it has."""

    method: str
    trunk: int | None
    head: str
    tasks: int

    def __str__(self) -> str:
        trunk = "" if self.trunk is None else f", trunk {self.trunk}"
        return f"`{self.method}`{trunk}"


METHODS = [("single", None), ("hard", None), ("mtan", None), ("afa", None), ("afa", 1), ("afa", 2), ("afa", 3)]
METHODS += [("cross_stitch", 3), ("nddr", 3)]


def made(shape: Shape, size: Size) -> Woven:
    """The network, in evaluation."""
    torch.manual_seed(0)
    outputs = {task: Dense(channels) for task, channels in list(TASKS.items())[: shape.tasks]}
    options = {"size": size, "head": shape.head, "trunk": shape.trunk}
    return channels_last(create_network(shape.method, outputs, BACKBONE, **options)).eval()


def by_torch(network: Woven, image: torch.Tensor) -> None:
    """One pass of PyTorch."""
    with torch.inference_mode():
        network(image)


def by_onnx(network: Woven, image: torch.Tensor, threads: int) -> Work:
    """One pass of ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network, (image,), file, dynamo=True, input_names=["image"], external_data=False, verbose=False
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"image": image.numpy()})


def operations(network: Woven, image: torch.Tensor) -> int:
    """Multiplications and additions of a pass."""
    with FlopCounterMode(display=False) as counter:
        by_torch(network, image)
    return counter.get_total_flops()


def rows(head: str, size: Size, rounds: int, threads: int) -> list[str]:
    """The rows of all networks with this head."""
    shapes = [Shape("single", None, head, 1)]
    shapes += [Shape(*method, head, tasks) for tasks in (2, 3, 4) for method in METHODS]
    image = torch.randn(1, 3, *size).contiguous(memory_format=torch.channels_last)
    networks = {shape: made(shape, size) for shape in shapes}
    passes: dict[str, Work] = {f"torch {shape!r}": partial(by_torch, net, image) for shape, net in networks.items()}
    passes |= {f"onnx {shape!r}": by_onnx(net, image, threads) for shape, net in networks.items()}
    times = in_turns(passes, rounds, "cpu").steadier("cpu")
    one = shapes[0]
    lines = []
    for shape, network in networks.items():
        latency = [statistics.median(ratios(times, f"{by} {shape!r}", f"{by} {one!r}")) for by in ("torch", "onnx")]
        over = operations(network, image) / operations(networks[one], image)
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        cells = [f"`{head}`", str(shape.tasks), str(shape), f"{parameters:.2f}", f"{over:.2f}"]
        cells += [*(f"{value:.2f}" for value in latency), f"{held(network, image) / held(networks[one], image):.2f}"]
        lines.append(f"| {' | '.join(cells)} |\n")
    milliseconds = [1e3 * statistics.median(times[f"{by} {one!r}"]) for by in ("torch", "onnx")]
    print(f"{head}: one task takes {operations(networks[one], image) / 1e9:.2f} GFLOPs, "
          f"{milliseconds[0]:.1f} ms by PyTorch, {milliseconds[1]:.1f} ms by ONNX Runtime")  # fmt: skip
    return lines


def main() -> None:
    """Print the table, and put it on a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(144, 192))
    parser.add_argument("--heads", nargs="+", default=["mlp64", "mlp"])
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    titles = ["head", "tasks", "network", "parameters, M", "operations", "PyTorch", "ONNX Runtime", "memory"]
    lines = [f"| {' | '.join(titles)} |\n", "| --- " * len(titles) + "|\n"]
    for head in given.heads:
        lines += rows(head, tuple(given.size), given.rounds, given.threads)
    print("".join(lines))
    print(f"{given.size[0]}x{given.size[1]}, {about('cpu')}, onnxruntime {onnxruntime.__version__}")
    if given.page:
        put_on(given.page, lines)


if __name__ == "__main__":
    main()
