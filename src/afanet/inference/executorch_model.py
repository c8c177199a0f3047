"""A network in a `.pte` file of ExecuTorch that `afanet export` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.inference.description import read_description
from afanet.inference.file_model import FileModel
from afanet.install import missing_package

KEY = "afanet"  # the method that returns the description


class ExecutorchModel(FileModel):
    """The network of a `.pte` file, on the CPU, one image at a time.

    `device` is `auto` or `cpu`. `tasks` are the tasks whose outputs are read; None means all. Raises `InputError`
    without ExecuTorch, for another device, for a file that `afanet export` did not write, and for tasks that it does
    not have.
    """

    def __init__(self, path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        if device not in (None, "auto", "cpu"):
            raise InputError(f"device '{device}' cannot run files of ExecuTorch, expected one of: auto, cpu")
        if not require_regular(path).exists():
            raise InputError(f"{path} does not exist, expected a file of `afanet export --format executorch`")
        self.forward, text = load_program(path)
        self.outputs = list(read_description(path, text)["tasks"])
        super().__init__(path, text, self.outputs, tasks)
        self.require_channels(self.forward.metadata.input_tensor_meta(0).sizes()[1])

    def run(self, names: Sequence[str], images: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """See `FileModel`."""
        answers = dict(zip(self.outputs, self.forward.execute([torch.from_numpy(images)]), strict=True))
        return [answers[name].numpy() for name in names]


def load_program(path: Path) -> tuple[Any, str | None]:
    """The method that computes the outputs, and the description in the file; raises `InputError` for any other file."""
    try:
        from executorch.runtime import Runtime, Verification
    except ModuleNotFoundError:
        raise InputError(f"{path} needs ExecuTorch, and {missing_package('executorch', 'executorch')}") from None
    try:
        program = Runtime.get().load_program(path, verification=Verification.InternalConsistency)
        names = program.method_names
        text = program.load_method(KEY).execute([])[0] if KEY in names else None
        return program.load_method("forward"), text
    except Exception as error:  # its exception classes are not public
        raise InputError(
            f"{path} is not a readable file of ExecuTorch, expected one of `afanet export --format executorch`"
        ) from error
