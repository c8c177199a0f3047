"""The versions that a run was computed with; the run keeps them beside its scores."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

from afanet import __version__


def versions() -> dict[str, str]:
    """The versions of this package and of those that it uses for training, by package."""
    trained_with = ("torch", "timm", "lightning", "torchmetrics", "torchjd")
    return {"afanet": __version__} | {package: version(package) for package in trained_with}


def git_state() -> str | None:
    """The commit that the package runs from, marked if files differ from it; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
