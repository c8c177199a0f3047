"""Which families of timm's networks work in which method, dense and pooled, as a page.

    python benchmarks/backbone_table.py [--families eva ...] [--methods afa ...] [--save FILE] [--page FILE]

Of each family of timm (a module there) the member with the fewest parameters is built by every method for a dense and a
pooled task, for images of 64x96; then it takes a training step on images of 61x90, which it must pad. It works if the
outputs have the images' size and every fusion layer has a gradient. By default this runs on the meta device, which has
shapes and gradients but no numbers; `--device cpu` computes. `--save` keeps the results as JSON as they come, and a
second call goes on where the first ended; `--page` writes docs/backbones-table.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import warnings
from contextlib import suppress
from pathlib import Path

import timm
import torch

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.backbones import Backbone

METHODS = ["single", "hard", "mtan", "cross_stitch", "nddr", "afa"]
OUTPUTS = {"dense": {"a": Dense(2), "b": Dense(1)}, "pooled": {"a": Pooled(2), "b": Pooled(3)}}
BUILT, SEEN = (64, 96), (61, 90)
WORKS = "yes"
Results = dict[str, dict[str, str]]  # "yes" or why not, by family and by "method, output"


def smallest(family: str) -> str:
    """The network of a family with the fewest parameters."""
    sizes = {}
    for name in timm.list_models(module=family):
        with suppress(Exception), torch.device("meta"):  # some options are for other versions of torch
            network = timm.create_model(name, num_classes=0)
            sizes[name] = sum(parameter.numel() for parameter in network.parameters())
    return min(sizes, key=sizes.__getitem__)


def results_of(name: str, method: str, device: str) -> dict[str, str]:
    """By output, what comes of a step of a network: that it works, or the sentence that says why not."""
    together = _step(name, method, {"a": Dense(2), "b": Pooled(3)}, device)
    if together == WORKS:
        return dict.fromkeys(OUTPUTS, WORKS)
    return {output: _step(name, method, outputs, device) for output, outputs in OUTPUTS.items()}


def _step(name: str, method: str, outputs: dict[str, Dense | Pooled], device: str) -> str:
    torch.manual_seed(0)
    try:
        with torch.device(device):
            network = create_network(method, outputs, name, size=BUILT).train()
            results = network(torch.rand(2, 3, *SEEN))
            shapes = {task: tuple(y.shape) for task, y in results.items()}
            sum(y.square().mean() for y in results.values()).backward()
    except InputError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]:.160}"
    wanted = {
        task: (2, output.channels, *(SEEN if isinstance(output, Dense) else ())) for task, output in outputs.items()
    }
    if shapes != wanted:
        return f"the outputs have the shapes {shapes}"
    dead = [key for key, parameter in network.fusion.named_parameters() if parameter.grad is None]
    return f"no gradient for {dead[0]} of the fusion layers" if dead else WORKS


def described(name: str) -> dict[str, str]:
    """What a backbone is, for the table."""
    try:
        with torch.device("meta"):
            backbone = Backbone(name, size=BUILT, output_stride=16)
    except Exception:  # the steps say why
        return {"kind": "", "sizes": "", "strides": ""}
    kind = "plain" if backbone.plain else "whole" if backbone.whole else "chain"
    taken = f"{backbone.one_size[0]}x{backbone.one_size[1]} only" if backbone.one_size else f"{backbone.multiple} n"
    return {
        "kind": kind,
        "sizes": "any" if taken == "1 n" else taken,
        "strides": " ".join(str(stage.stride) for stage in backbone.given),
    }


def page(results: Results) -> str:
    """The table as Markdown, and below it the sentence of each family that does not work somewhere."""
    untried = [f"`{family}`" for family, row in sorted(results.items()) if not _tried(row)]
    results = {family: row for family, row in results.items() if _tried(row)}
    lines = [
        "# Which backbones work",
        "",
        "Look up the family of the timm network that you want. ● works, for dense and pooled tasks; ◐ in one of the",
        "two; ○ in neither, see [below](#why-not); · not tried. [Backbones](backbones.md) explains the kinds. Strides",
        "are those of the features with `output_stride=16`. Sizes are those to which images are padded (32 n:",
        "multiples of 32).",
        "",
        f"The smallest network of each family, built for images of {BUILT[0]}x{BUILT[1]}, took a training step on",
        f"images of {SEEN[0]}x{SEEN[1]} with a dense and a pooled task. Outputs must have the size of the images, and",
        "every fusion layer must get a gradient. Both were checked on the meta device, which has no numbers.",
        f"(`python benchmarks/backbone_table.py`, timm {timm.__version__}, torch {torch.__version__})",
        "",
        f"| family | network | kind | strides | sizes | {' | '.join(METHODS)} |",
        f"| --- | --- | --- | --- | --- | {' | '.join('---' for _ in METHODS)} |",
    ]
    for family, row in sorted(results.items()):
        facts = [row.get(key, "") for key in ("kind", "strides", "sizes")]
        marks = [_mark(row, method) for method in METHODS]
        lines.append(f"| {family} | `{row['network']}` | {' | '.join(facts)} | {' | '.join(marks)} |")
    every = [[_mark(row, method) for row in results.values()] for method in METHODS]
    tried = [str(sum(mark != "·" for mark in marks)) for marks in every]
    work = [str(marks.count("●")) for marks in every]
    lines += [f"| **work** | | | | | {' | '.join(work)} |", f"| **tried** | | | | | {' | '.join(tried)} |"]
    left = ["", f"Families that have not been tried yet: {', '.join(untried)}."] if untried else []
    return "\n".join([*lines, *left, "", "## Why not", "", *_reasons(results), ""])


def _tried(row: dict[str, str]) -> bool:
    return any(_mark(row, method) != "·" for method in METHODS)


def _mark(row: dict[str, str], method: str) -> str:
    """How a method does with a family, in a character."""
    said = [row[key] for output in OUTPUTS if (key := f"{method}, {output}") in row]
    works = [text == WORKS for text in said]
    return "·" if not said else "●" if all(works) else "◐" if any(works) else "○"


def _reasons(results: Results) -> list[str]:
    """A line for each family and sentence, with the methods and outputs that say it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for family, row in sorted(results.items()):
        for method in METHODS:
            for output in OUTPUTS:
                text = row.get(f"{method}, {output}", WORKS).replace(f"method '{method}'", "the method")
                if text != WORKS:
                    reasons.setdefault((family, text), []).append(f"{method} {output}")
    return [f"- {family} ({', '.join(where)}): {text}" for (family, text), where in reasons.items()]


def main() -> None:
    """Try every family that is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="*", help="modules of timm, all if not given")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS, help="all if not given")
    parser.add_argument("--device", choices=["meta", "cpu"], default="meta", help="where the step is taken")
    parser.add_argument("--save", type=Path, help="file for the results")
    parser.add_argument("--page", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results: Results = json.loads(options.save.read_text()) if options.save and options.save.is_file() else {}
    for family in options.families or timm.list_modules():
        row = results.setdefault(family, {})
        if "network" not in row:
            row["network"] = smallest(family)
        if "kind" not in row:
            row |= described(row["network"])
        for method in options.methods:
            if any(f"{method}, {output}" not in row for output in OUTPUTS):
                said = results_of(row["network"], method, options.device)
                row |= {f"{method}, {output}": text for output, text in said.items()}
                print(f"{family} ({row['network']}), {method}: {said}", flush=True)
                gc.collect()
            if options.save:
                options.save.write_text(json.dumps(results, indent=1))
    if options.page:
        options.page.write_text(page(results))


if __name__ == "__main__":
    main()
