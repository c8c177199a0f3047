"""ExecuTorch's `.pte` file, for phones and small devices: the graph for one image of one size, computed by XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.trace import Estimator, Traced, cannot, quiet
from afanet.inference.description import read_description
from afanet.inference.executorch_model import KEY, load_program
from afanet.install import missing_package
from afanet.json_text import to_json

SUFFIX = ".pte"


def require_executorch() -> None:
    """Raise `InputError` if ExecuTorch is missing.

    Its runtime is imported before its exporter: in the other order the process crashes when a program runs
    (executorch 1.5).
    """
    try:
        __import__("executorch.runtime")
    except ModuleNotFoundError:
        raise InputError(missing_package("executorch", "executorch")) from None


def write_executorch(traced: Traced, estimator: Estimator, facts: Mapping[str, Any], file: Path) -> None:
    """Write the graph, with `facts` as JSON, which the program's method `afanet` returns.

    Raises `InputError` if ExecuTorch cannot convert the graph.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    with quiet():
        try:
            edge = to_edge_transform_and_lower(
                traced.program, partitioner=[XnnpackPartitioner()], constant_methods={KEY: to_json(facts)}
            )
            program = edge.to_executorch().buffer
        except Exception as error:  # the converter's exception classes are not public
            raise InputError(cannot("", estimator, error)) from error
    file.write_bytes(program)


def open_executorch(file: Path) -> Answer:
    """The program in the file as a function of one image."""
    forward, text = load_program(file)
    names = list(read_description(file, text)["tasks"])

    def run(images: Tensor) -> dict[str, Tensor]:
        return dict(zip(names, forward.execute([images.contiguous()]), strict=True))

    return run
