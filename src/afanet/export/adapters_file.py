"""The file of a run's adapters, heads and fusion layers, without the frozen backbone: only megabytes."""

from __future__ import annotations

from pathlib import Path

from afanet.errors import InputError
from afanet.files import require_writable
from afanet.runs.run import load_run

NAME = "adapters"  # the format's name, and the file's by default
SUFFIX = ".safetensors"


def export_adapters(path: Path, out: Path | None = None) -> Path:
    """Write the adapters of the run in folder `path` to `out`, by default its `adapters.safetensors`; returns the file.

    `afanet.networks.load_adapters` reads them into a network with the same frozen backbone. Raises `InputError` for a
    run that has not finished or has no adapters, and if the file cannot be written.
    """
    run = load_run(path)
    file = out or run.folder.output(f"{NAME}{SUFFIX}")
    if not file.name.endswith(SUFFIX):
        raise InputError(f"--out is {file}, expected a name that ends in {SUFFIX} for format {NAME}")
    if file.is_dir():
        raise InputError(f"{file} is a folder, expected a path for a file: give another one with --out")
    if run.recipe.network.lora is None:
        raise InputError(f"{path} is a run without adapters, expected a run that was trained with network.lora")
    require_writable(file)
    run.save_adapters(file)
    return file
