"""OpenVINO's files: the graph of the ONNX file and its meaning in `.xml`, and the weights in `.bin`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.onnx_file import require_onnx, write_onnx
from afanet.export.trace import Estimator, Traced
from afanet.inference.openvino_model import PLAIN
from afanet.install import missing_package
from afanet.json_text import to_json

SUFFIX = ".xml"
KEY = "afanet"


def require_openvino() -> None:
    """Raise `InputError` if OpenVINO or a package that writes ONNX is missing."""
    require_onnx()
    try:
        __import__("openvino")
    except ModuleNotFoundError:
        raise InputError(missing_package("openvino", "openvino")) from None


def write_openvino(traced: Traced, estimator: Estimator, facts: Mapping[str, Any], file: Path) -> None:
    """Write the graph to `file` and its weights beside it, with `facts` as JSON; raises as `write_onnx` does."""
    with TemporaryDirectory(prefix="afanet-export-") as folder:
        source = Path(folder) / "model.onnx"
        write_onnx(traced, estimator, facts, source)
        convert(source, facts, file)


def convert(source: Path, facts: Mapping[str, Any], file: Path) -> None:
    """Convert an ONNX file, in its own precision; raises `InputError` if OpenVINO cannot convert it."""
    import openvino

    try:
        graph = openvino.convert_model(source)
        graph.set_rt_info(to_json(facts), [KEY])
        openvino.save_model(graph, file, compress_to_fp16=False)
    except Exception as error:  # its exception classes are not public
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"OpenVINO cannot convert the network: {reason}; export it with --format onnx") from error


def open_openvino(file: Path) -> Answer:
    """The file in OpenVINO on the CPU, as a function of images."""
    import openvino

    core = openvino.Core()
    network = core.compile_model(core.read_model(file), "CPU", PLAIN)
    names = [put.any_name for put in network.outputs]

    def run(images: Tensor) -> dict[str, Tensor]:
        answers = network({"image": images.numpy()})
        return {name: torch.tensor(answers[name]) for name in names}

    return run
