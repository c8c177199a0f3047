"""The file formats of `afanet export`, by the ends of their names, and how a model is opened from each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from afanet.errors import InputError
from afanet.paths import is_on_hub
from afanet.registry import imported

if TYPE_CHECKING:
    from afanet.inference.file_model import FileModel

MODELS = {
    ".onnx": "afanet.inference.onnx_model:OnnxModel",
    ".xml": "afanet.inference.openvino_model:OpenVinoModel",
    ".pte": "afanet.inference.executorch_model:ExecutorchModel",
    ".aot.pt2": "afanet.inference.torch_model:CompiledModel",
    ".pt2": "afanet.inference.torch_model:TorchModel",
}


def suffix_of(source: str | Path) -> str | None:
    """The end of a file's name, which says how it is opened; None for the folder of a run and for a name on the hub.

    >>> suffix_of("net.aot.pt2"), suffix_of("runs/rooms-afa-seed0"), suffix_of("hub:ada/net.onnx")
    ('.aot.pt2', None, None)
    """
    name = Path(source).name.lower()
    return None if is_on_hub(source) else next((suffix for suffix in MODELS if name.endswith(suffix)), None)


def open_file(path: Path, device: str | None = None, tasks: Sequence[str] | None = None) -> FileModel:
    """The model in a file, for all or some of its tasks; raises `InputError` for a file that cannot be used."""
    suffix = suffix_of(path)
    if suffix is None:
        raise InputError(f"{path} is not a file of `afanet export`, expected a name that ends in {', '.join(MODELS)}")
    opened: FileModel = imported(MODELS[suffix])(path, device, tasks)
    return opened
