"""A network in OpenVINO's format that `afanet export` wrote: a graph in `.xml`, and its weights in `.bin` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.inference.file_model import FileModel
from afanet.install import missing_package

PLAIN = {"INFERENCE_PRECISION_HINT": "f32"}  # otherwise it rounds to bf16 on processors that support bf16


class OpenVinoModel(FileModel):
    """The network of an OpenVINO file, on the CPU.

    `device` is `auto` or `cpu`. `tasks` are the tasks whose outputs are read; None means all. Raises `InputError`
    without OpenVINO, for another device, for a file that `afanet export` did not write, and for tasks that it does not
    have.
    """

    def __init__(self, path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        try:
            import openvino
        except ModuleNotFoundError:
            raise InputError(f"{path} needs OpenVINO, and {missing_package('openvino', 'openvino')}") from None
        if device not in (None, "auto", "cpu"):
            raise InputError(f"device '{device}' cannot run OpenVINO files, expected one of: auto, cpu")
        for file in (path, path.with_suffix(".bin")):
            if not require_regular(file).exists():
                raise InputError(f"{file} does not exist, expected a file of `afanet export --format openvino`")
        try:
            graph = openvino.Core().read_model(path)
            self.network = openvino.Core().compile_model(graph, "CPU", PLAIN)
        except Exception as error:  # its exception classes are not public
            raise InputError(
                f"{path} is not a readable OpenVINO file, expected one of `afanet export --format openvino`"
            ) from error
        text = str(graph.get_rt_info(["afanet"]).value) if graph.has_rt_info(["afanet"]) else None
        super().__init__(path, text, {name for put in graph.outputs for name in put.names}, tasks)
        for put in graph.inputs:
            self.require_channels(put.partial_shape[1].get_length() if put.partial_shape[1].is_static else None)

    def run(self, names: Sequence[str], images: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """See `FileModel`."""
        answers = self.network({"image": images})
        return [np.array(answers[name]) for name in names]
