"""The ONNX file: one input `image`, one output per task, and their meaning in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.trace import Estimator, Traced, cannot, quiet
from afanet.install import missing_package
from afanet.json_text import to_json

SUFFIX = ".onnx"
KEY = "afanet"
MOST = 1536 * 2**20  # the most bytes of weights that torch writes into the file itself


def require_onnx() -> None:
    """Raise `InputError` if a package that writes or runs ONNX is missing."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ModuleNotFoundError:
            raise InputError(missing_package(package, "export")) from None


def write_onnx(traced: Traced, estimator: Estimator, facts: Mapping[str, Any], file: Path) -> None:
    """Write the graph with `facts` as JSON under `afanet` in its metadata.

    Raises an `InputError` that names the part of the network for which ONNX has no operator.
    """
    held = sum(weight.nbytes for weight in traced.program.state_dict.values())
    if held > MOST:
        raise InputError(
            f"the network holds {held / 2**30:.1f} GiB of weights, but an ONNX file holds at most 1.5 (more go into a "
            "second file): export it with --format torch"
        )
    outputs = list(estimator.tasks)
    with quiet():
        try:
            program = torch.onnx.export(
                traced.program, dynamo=True, verbose=False, input_names=["image"], output_names=outputs
            )
        except Exception as error:  # the exporter's exception classes are not public
            raise InputError(cannot(*_culprit(traced, estimator, error))) from error
    assert program is not None
    program.model.metadata_props[KEY] = to_json(facts)
    program.save(file)


def finish_onnx(source: Path, facts: Mapping[str, Any], file: Path) -> None:
    """Write the graph of `source` to `file`, with `facts` instead of its own."""
    import onnx

    model = onnx.load(source)
    onnx.helper.set_model_props(model, {KEY: to_json(facts)})
    onnx.save(model, file)


def open_onnx(file: Path) -> Answer:
    """The file in ONNX Runtime on the CPU, as a function of images."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, so they need not be logged
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(images: Tensor) -> dict[str, Tensor]:
        return dict(zip(names, map(torch.from_numpy, session.run(names, {"image": images.numpy()})), strict=True))

    return run


def _culprit(traced: Traced, estimator: Estimator, error: BaseException) -> tuple[str, Estimator, BaseException]:
    """The innermost module of the operation at which the exporter stopped, and the first cause of its error."""
    while error.__cause__ is not None:
        error = error.__cause__
    for node in traced.program.run_decompositions().graph.nodes:
        if node.op == "call_function" and f"'{str(node.target).rpartition('.')[0]}'" in str(error):
            path, _ = list(node.meta["nn_module_stack"].values())[-1]
            return path, estimator, error
    return "", estimator, error
