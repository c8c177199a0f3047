"""Networks in files of `torch.export` that `afanet export` wrote: graphs, and graphs compiled to native code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.inference.file_model import FileModel
from afanet.outside import trusts_all

Network = Callable[[Tensor], dict[str, Tensor]]
DEVICES = (None, "auto", "cpu")


class TorchModel(FileModel):
    """The network of a `.pt2` file, on the CPU; torch unpickles parts of such a file, so it must be trusted.

    `device` is `auto` or `cpu`. `tasks` are the tasks whose outputs are read; None means all. Raises `InputError` for
    another device, for a file that is not trusted or that `afanet export` did not write, and for tasks that the file
    does not have.
    """

    def __init__(self, path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> None:
        if device not in DEVICES:
            raise InputError(f"device '{device}' cannot run files of torch, expected one of: auto, cpu")
        if not require_regular(path).exists():
            raise InputError(f"{path} does not exist, expected a file of `afanet export`")
        if not trusts_all():
            raise InputError(
                f"{path} is a file of torch, which may run code when it is opened: if you trust it, add --trust-code "
                "to the command, or call afanet.trust_code() in Python"
            )
        try:
            self.network, text, outputs = self._open(path)
        except Exception as error:  # torch's exception classes are not public
            raise InputError(f"{path} is not a readable file of torch, expected one of `afanet export`") from error
        super().__init__(path, text, outputs, tasks)

    def run(self, names: Sequence[str], images: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
        """See `FileModel`."""
        with torch.no_grad():
            answers = self.network(torch.from_numpy(images))
        return [answers[name].numpy(force=True) for name in names]

    def _open(self, path: Path) -> tuple[Network, str | None, Sequence[str]]:
        """The network, its description, and the names of its outputs."""
        extra: dict[str, Any] = {"afanet.json": ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(path, extra_files=extra)
        outputs = program.call_spec.out_spec
        return cast(Network, program.module()), extra["afanet.json"] or None, list(outputs.context)


class CompiledModel(TorchModel):
    """The network of an `.aot.pt2` package, which is native code."""

    def _open(self, path: Path) -> tuple[Network, str | None, Sequence[str]]:
        package: Any = torch._inductor.aoti_load_package(str(path))
        outputs = package.get_call_spec()[1]
        return cast(Network, package), package.get_metadata().get("afanet"), outputs
