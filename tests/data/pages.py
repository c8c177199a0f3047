"""The content of a page: its blocks, its commands, and which of them are left out or slow."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What is not done, by how it begins, and why.
LEFT_OUT = {
    "afanet demo": "serves a page until it is ended; tests/demo",
    "make ": "sets up an environment and runs these tests",
    "pip install": "what runs these tests is installed",
    "afanet export runs/rooms-afa-seed0 --format aot": "compiles for minutes; export/test_export.py",
    "afanet export runs/rooms-afa-seed0 --int8": "what learnt nothing may be refused; export/test_precision.py",
    "afanet export runs/rooms-afa-seed0 --format executorch": "needs ExecuTorch; export/test_executorch_file.py",
    "afanet export runs/rooms-afa-seed0 --format openvino": "needs OpenVINO; export/test_precision.py",
    "afanet predict runs/rooms-afa-seed0/model-int8.onnx": "takes those files; inference/test_file_model.py",
    "afanet evaluate runs/rooms-afa-seed0/model-int8.onnx": "the same",
    "import torch\n\nnetwork = torch._inductor": "reads that package",
    "{'segmentation': (1, 8, 96, 128)": "what that prints",
    "PATH/": "a layout, which the trees have",
    "afanet train nyuv2 --data PATH --data.options.depth raw": "the tree has no official file; nyuv2/test_matlab.py",
    "afanet train nyuv2 --data PATH --backbone": "weights of others, which nobody has here; networks/weights",
    "afanet weights vit_small_patch14_dinov2": "the same; cli/test_weights.py",
    "afanet push": "needs the hub; export/test_push.py, against one of its own",
    "afanet predict hub:": "the same",
    "afanet data prepare rooms --stream s3://": "needs a store; streams/test_place.py",
    "afanet train rooms --data.stream s3://": "the same",
    "afanet train rooms --data.stream https://": "needs a server; streams/test_train.py",
    "comes after 12 s": "faults of a server; streams/test_fetch.py",
    "afanet sweep my.yaml": "needs a database server; sweeps/test_sweep.py shares a file",
    "│ trial ": "the scores of one sweep; sweeps/test_outcome.py",
    "losses:": "keys of several recipes; test_the_losses_of_the_page",
    "│ section    │ rows": "the official folds; test_the_table_of_the_official_folds, where they lie",
    "afanet: error: process 2 of 2": "takes a process that dies; training/test_launch.py",
}
# What is done by `pytest -m slow` alone, by how it begins: many runs, several machines, whole backbones, or
# what stands beside its like.
SLOW = (
    "afanet export runs/rooms-afa-seed0 --format torch",
    "afanet compare nyuv2 --data PATH --weights PATH",
    "afanet compare nyuv2-small --data PATH --weights PATH",
    "afanet compare nyud-4 --data PATH --weights PATH",
    "afanet compare faces --data PATH --fold 0 --weights PATH",
    "afanet compare faces --data PATH --weights PATH",
    "afanet train nyuv2 --data PATH --weights PATH",
    "python benchmarks/",
    "srun ",
    "torchrun ",
)

# Packages of others that a page shows and nobody must have: what imports them is left out where they are missing.
OTHERS = ("transformers", "segmentation_models_pytorch")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the page above it."""

    kind: str
    text: str
    above: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(match[1], match[2], text[: match.start()]) for match in BLOCK.finditer(text)]


def commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, without its remark, and the lines that are shown below it; a script's `srun`."""
    if block.kind == "bash":
        yield from ((line, []) for line in block.text.splitlines() if line.startswith("srun "))
        return
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield re.sub(r"\s+# .*", "", command), shown


def left_out(text: str) -> bool:
    missing = [
        name for name in OTHERS if re.search(rf"^(from|import) {name}", text, re.MULTILINE) and not installed(name)
    ]
    return bool(missing) or any(text.startswith(start) for start in LEFT_OUT)


def is_slow(text: str) -> bool:
    """Whether `pytest -m slow` alone does it."""
    return text.startswith(SLOW)


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def steps(page: Path) -> list[str]:
    """What there is to do on a page: its commands, and all other blocks."""
    kept = []
    for block in blocks(page):
        texts = [command for command, _ in commands(block)] if block.kind in ("console", "bash") else [block.text]
        kept += [text for text in texts if not left_out(text)]
    return kept
