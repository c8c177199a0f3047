"""What is installed and what this machine has, for a bug report."""

from __future__ import annotations

import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from afanet import __version__
from afanet.errors import InputError
from afanet.install import extras, lacking
from afanet.limits import UNKNOWN, cores, memory
from afanet.paths import cache_root

PACKAGES = ("torch", "torchvision", "timm", "lightning", "numpy", "onnxruntime", "openvino")
NOT_FOR_USERS = ("all", "dev", "docs")  # extras: one is the sum of the others, two are for building the package


def describe_installation() -> dict[str, Any]:
    """Versions, system, devices, free disk and extras, as plain values for JSON.

    `versions` has None for a package that is not installed. `torch` has the CUDA version that torch was built for, and
    the error with which torch fails; each is None if there is none. `devices` has the name, model and bytes of memory
    of each device, and whether it is faster in bf16. `disk` has the free bytes, and `extras` what each extra lacks.
    Needs nothing but the package itself.

    >>> state = describe_installation()
    >>> list(state)
    ['versions', 'system', 'torch', 'devices', 'disk', 'extras']
    >>> state["versions"]["afanet"] == __version__
    True
    """
    own = {"afanet": __version__, "python": platform.python_version()}
    torch, devices = _torch()
    return {
        "versions": own | {package: _version(package) for package in PACKAGES},
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "torch": torch,
        "devices": devices,
        "disk": {"working_folder": _free(Path.cwd()), "cache": _free(_cache())},
        "extras": {extra: lacking(extra) for extra in extras() if extra not in NOT_FOR_USERS},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch() -> tuple[dict[str, str | None], list[dict[str, Any]]]:
    """What torch reports about itself, and the devices that it sees, the CPU first."""
    cpu: dict[str, Any] = {"name": "cpu", "model": f"{cores()} cores", "memory": _memory(), "bf16": None}
    try:
        import torch

        from afanet.distributed.device import devices, is_faster_in_bf16

        rows = []
        for name in devices():
            device = torch.device(name)
            row = cpu | {"name": name, "bf16": is_faster_in_bf16(device)}
            if device.type == "cuda":
                properties = torch.cuda.get_device_properties(device)
                row |= {"model": properties.name, "memory": properties.total_memory}
            elif device.type == "mps":
                row["model"] = "memory of the CPU"
            rows.append(row)
    except (ImportError, OSError, RuntimeError) as error:  # such as a missing CUDA library or a failing driver
        return {"cuda": None, "error": str(error).partition("\n")[0]}, [cpu]
    return {"cuda": torch.version.cuda, "error": None}, rows


def _memory() -> int | None:
    """The bytes of memory of this machine; None if they are unknown."""
    found = memory()
    return None if found == UNKNOWN else found


def _cache() -> Path | None:
    try:
        return cache_root()
    except InputError:
        return None


def _free(folder: Path | None) -> int | None:
    """The free bytes on the disk of a folder, which need not exist yet; None without a folder."""
    if folder is None:
        return None
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
