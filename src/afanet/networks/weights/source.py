"""Finds and reads weights by their spelling: a file, a folder of timm or transformers, or a network on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from afanet.errors import InputError, shown
from afanet.json_text import read_json
from afanet.networks.weights.read import read_file, tensors_by_name, wrapper_of
from afanet.networks.weights.spelling import FOLDER, HUB

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"  # of transformers
# The names of timm's and transformers' files, in the order in which timm looks for them.
USUAL = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Opened:
    """Tensors by name, with where they are from.

    Attributes:
        state: the tensors.
        shown: the source's name in a line.
        wrapper: the names under which the file holds them; empty if the file has nothing else.
        architecture: the network that a config.json beside them names, if there is one.
    """

    state: Mapping[str, Tensor]
    shown: str
    wrapper: str = ""
    architecture: str = ""


@dataclass(frozen=True)
class Located:
    """The `file` with the weights, its `configs` that exist, and its `title` in a line."""

    file: Path
    configs: tuple[Path, ...]
    title: str


def locate(source: str) -> Located:
    """The local files of weights; a source ``hf-hub:ORG/NAME`` is downloaded.

    Raises:
        InputError: if a folder or the hub has none.
    """
    if source.startswith(HUB):
        from afanet.networks.weights.hub import download  # here, because only the hub's client needs YAML

        file, configs = download(source.removeprefix(HUB), USUAL[:2], (CONFIG, PREPROCESSOR))
        return Located(file, tuple(configs), source)
    if source.startswith(FOLDER):
        folder = Path(source.removeprefix(FOLDER))
        file = _file_in(folder)
        beside = (folder / CONFIG, folder / PREPROCESSOR)
        return Located(file, tuple(config for config in beside if config.is_file()), f"{folder.name}/{file.name}")
    return Located(Path(source), (), Path(source).name)


def open_weights(source: str) -> Opened:
    """The tensors of a file, of ``local-dir:FOLDER``, or of ``hf-hub:ORG/NAME``, which is downloaded.

    Raises:
        InputError: if there are none, or if they cannot be read without running code.
    """
    located = locate(source)
    content = read_file(located.file)
    return Opened(
        tensors_by_name(content, str(located.file)),
        located.title,
        wrapper_of(content, str(located.file)),
        next((_architecture(config) for config in located.configs if config.name == CONFIG), ""),
    )


def _file_in(folder: Path) -> Path:
    """The file with the weights in a folder; raises `InputError` if there is none, or if there are several."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with {USUAL[0]} after {FOLDER}")
    names = sorted(file.name for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
    usual = [name for name in USUAL if name in names]
    if not names or ((folder / f"{USUAL[0]}.index.json").is_file() and not usual):
        kind = "only parts of weights" if names else "no weights"
        raise InputError(f"{folder} has {kind}: expected a file such as {USUAL[0]}")
    if not usual and len(names) > 1:
        raise InputError(f"{folder} has several files of weights ({shown(', '.join(names))}): give one of them instead")
    return folder / (usual or names)[0]


def _architecture(config: Path) -> str:
    """The network that a config.json of timm or transformers names; empty if it names none."""
    content = read_json(config)
    if not isinstance(content, dict):
        raise InputError(f"{config} holds {shown(content, 40)}, expected keys such as 'architecture'")
    several = content.get("architectures")
    named = content.get("architecture") or (several[0] if isinstance(several, list) and several else "")
    if not isinstance(named, str):
        raise InputError(f"{config} has the architecture {shown(named, 40)}, expected a name such as 'resnet50'")
    return named
