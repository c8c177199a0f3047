"""Which networks of other packages can be woven, and what is said of those that cannot.

    python benchmarks/others.py [--packages timm ...] [--save FILE] [--page docs/others.md]

Two branches of each family of `families/` meet after their last block, and after each stage. A family weaves there if
the network with fusion layers that pass features through equals its branches to the bit, and if with AFA a backward
pass reaches every fusion layer, through patches or the class token. `--save` keeps the results as JSON as they come,
and a second call goes on where the first ended. Networks have
random weights and nothing is downloaded. A package that is not installed is left out by name.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from afanet import AFA, InputError, weave
from families import Family

PACKAGES = ["transformers", "segmentation_models_pytorch", "torchvision", "timm"]
WEAVES = "weaves"
CLASS_TOKEN = "weaves, by the class token"
Results = dict[str, dict[str, str]]  # "weaves" or why not, by package and by "family, where"


class Switched(nn.Module):
    """AFA that can be switched off: then it passes features through."""

    def __init__(self, channels: int, tasks: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.afa = AFA(channels, tasks, size)
        self.on = False

    def forward(self, xs: list[Tensor], prefix: Sequence[Tensor] = ()) -> list[Tensor]:
        return self.afa(xs, prefix) if self.on else [*xs, *prefix]


def tensors(output: Any) -> Iterator[Tensor]:
    """The tensors of floating type in an output, in whatever containers."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping | list | tuple):
        for item in output.values() if isinstance(output, Mapping) else output:
            yield from tensors(item)


def result_of(branches: Mapping[str, nn.Module], layers: Sequence[str], size: int) -> str:
    """What comes of weaving the branches at these layers: that they weave, or the sentence that says why not."""
    try:
        return faults(branches, layers, size) or WEAVES
    except InputError as error:
        return str(error)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0]
        return f"BREAKS with {type(error).__name__}: {first}"


def faults(branches: Mapping[str, nn.Module], layers: Sequence[str], size: int) -> str:
    """What is wrong with the woven network; empty if nothing is."""
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    alone = outputs(lambda: {task: branch(image) for task, branch in branches.items()})
    if not all(any(x.any() for x in alone[task]) for task in branches):
        return "VOID: a branch puts out zeros alone"
    network = weave(branches, list(layers), Switched, example=image).eval()
    together = outputs(lambda: network(image))
    for task in branches:
        if len(alone[task]) != len(together[task]):
            return f"DIFFERS: '{task}' puts out {len(together[task])} tensors instead of {len(alone[task])}"
        if not all(torch.equal(*pair) for pair in zip(alone[task], together[task], strict=True)):
            return f"DIFFERS from its branch '{task}'"
    still, in_part = without_gradient(network.train(), image)
    if still:
        return f"NO GRADIENT reaches the fusion layers {', '.join(still)}"
    return CLASS_TOKEN if in_part else ""


def outputs(run: Callable[[], Mapping[str, Any]]) -> dict[str, list[Tensor]]:
    """The tensors of each task, with the same random numbers every time."""
    torch.manual_seed(1)
    with torch.no_grad():
        return {task: list(tensors(output)) for task, output in run().items()}


def without_gradient(network: nn.Module, image: Tensor) -> tuple[list[str], list[str]]:
    """The fusion layers that learn nothing, and those of which the channel gates learn and the spatial ones do not."""
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, Switched)}
    for layer in layers.values():
        layer.on = True
    for _ in range(2):
        sum(x.square().mean() for x in tensors(network(image))).backward()
        for layer in layers.values():
            layer.afa.sam.conv.weight.data.neg_()  # of a map and its negative, one at least passes the ReLU
    still = [name for name, layer in layers.items() if not learns(layer)]
    return still, [name for name, layer in layers.items() if name not in still and not learns(layer.afa.sam)]


def learns(layer: nn.Module) -> bool:
    """Whether any parameter of a layer has a gradient that is not zero."""
    return any(parameter.grad is not None and bool(parameter.grad.any()) for parameter in layer.parameters())


def trial(package: str, results: dict[str, str]) -> Iterator[None]:
    """Adds the results of one package, family by family, for those that are not there yet."""
    families: Mapping[str, Family] = importlib.import_module(f"families.of_{package}").FAMILIES
    for name, family in families.items():
        for where, layers in {"last block": [family.block], "each stage": family.stages}.items():
            row = f"{name}, {where}"
            if row not in results:
                torch.manual_seed(0)
                branches = {task: awake(family.make()).eval() for task in ("a", "b")}
                results[row] = result_of(branches, layers, family.size)
                print(f"{package:28} {row:40} {results[row]}", flush=True)
                yield


def awake(network: nn.Module) -> nn.Module:
    """A network without weights that start at zero: of a head of zeros, all outputs are equal and nothing learns."""
    for parameter in network.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network


def page(results: Results) -> str:
    """The results as a page in Markdown."""
    versions = {package: importlib.metadata.version(package) for package in results}
    lines = [*INTRODUCTION.splitlines(), ""]
    lines += ["| package | version | tried | weave |", "| --- | --- | ---: | ---: |"]
    for package, rows in results.items():
        lines.append(f"| {package} | {versions[package]} | {len(rows)} | {count(rows)} |")
    lines.append(f"| all | | {sum(map(len, results.values()))} | {sum(map(count, results.values()))} |")
    for package, rows in results.items():
        lines += [
            "",
            f"## {package}",
            "",
            "| family | after the last block | after each stage |",
            "| --- | --- | --- |",
        ]
        names = list(dict.fromkeys(row.rpartition(", ")[0] for row in rows))
        for name in names:
            cells = [cell(rows[f"{name}, {where}"]) for where in ("last block", "each stage")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def count(rows: Mapping[str, str]) -> int:
    """How many weave."""
    return sum(result in (WEAVES, CLASS_TOKEN) for result in rows.values())


def cell(result: str) -> str:
    """A result for a table: long ones are cut."""
    plain = re.sub(r"\S*/site-packages/", "", result).replace("|", "\\|").replace("<", "&lt;")
    return plain if len(plain) <= 300 else plain[:299].rsplit(" ", 1)[0] + " …"


INTRODUCTION = """\
# Which networks of others can be woven

Can you [weave](weaving.md) a network from transformers, segmentation_models_pytorch, torchvision or timm? Most of them.
Two networks of each family, as small as is sensible and with random weights, were woven with AFA: after the last block,
and after each stage (after each block, if there are no stages). `benchmarks/others.py` wrote this page.

| the tables say | meaning |
| --- | --- |
| weaves | The woven network equals its branches to the bit when the fusion layers pass features through, and a \
backward pass reaches every fusion layer. |
| weaves, by the class token | The same, but in at least one fusion layer the channel gates alone learn: what \
follows reads the class token and no patches, so the spatial gates change nothing there. It counts as weaving. |
| NO GRADIENT | The network does not use the features that meet. |
| BREAKS | Its forward fails. |
| VOID | Random weights give zeros, so nothing can be compared. |
| a sentence | What `weave` says. |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    for flag in ("--save", "--page"):
        parser.add_argument(flag, type=Path)
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.simplefilter("ignore")
    kept: Results = {}
    if arguments.save and arguments.save.exists():
        kept = json.loads(arguments.save.read_text())
    for package in arguments.packages:
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed and is left out")
            continue
        for _ in trial(package, kept.setdefault(package, {})):
            if arguments.save:
                arguments.save.write_text(json.dumps(kept, indent=1) + "\n")
        print(f"{package}: {count(kept[package])} of {len(kept[package])} weave")
    results = {package: kept[package] for package in PACKAGES if package in kept}
    if arguments.page:
        arguments.page.write_text(page(results))


if __name__ == "__main__":
    main()
