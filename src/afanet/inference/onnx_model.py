"""A network in an ONNX file that `afanet export` wrote, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.inference.description import not_ours
from afanet.inference.file_model import FileModel
from afanet.install import missing_package

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxModel(FileModel):
    """The network of an ONNX file.

    `device` is `auto` (`cuda` if ONNX Runtime supports it), `cpu` or `cuda`. `tasks` are the tasks whose outputs are
    read; None means all. Raises `InputError` without ONNX Runtime, for a device that it does not have, for a file that
    `afanet export` did not write, and for tasks that the file does not have.
    """

    def __init__(self, path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError(f"{path} needs ONNX Runtime, and {missing_package('onnxruntime', 'onnx')}") from None
        if not require_regular(path).exists():
            raise InputError(f"{path} does not exist, expected a file of `afanet export`")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # the lines below report errors instead
        provider = _provider(device or "auto", onnxruntime.get_available_providers())
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        except Exception as error:  # ONNX Runtime's exception classes have no other common base
            raise InputError(f"{path} is not a readable ONNX file, expected one of `afanet export`") from error
        try:
            text = self.session.get_modelmeta().custom_metadata_map.get("afanet")
        except UnicodeDecodeError:
            raise not_ours(path, "it is not UTF-8 text") from None
        super().__init__(path, text, {output.name for output in self.session.get_outputs()}, tasks)
        for taken in (put.shape[1] for put in self.session.get_inputs() if len(put.shape) == 4):
            self.require_channels(taken)

    def run(self, names: Sequence[str], images: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """See `FileModel`."""
        answers: Sequence[NDArray[np.float32]] = self.session.run(names, {"image": images})
        return answers


def _provider(device: str, available: list[str]) -> str:
    here = [name for name, provider in PROVIDERS.items() if provider in available]
    chosen = here[-1] if device == "auto" else device
    if chosen not in here:
        raise InputError(f"ONNX Runtime has no device '{device}' here, expected one of: auto, {', '.join(here)}")
    return PROVIDERS[chosen]
