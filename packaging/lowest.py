"""Prints the lowest versions that pyproject.toml states, as pip takes them: `pip install --constraint FILE`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
BOUND = re.compile(r"(?P<name>[\w-]+)(\[[\w,-]+\])?>=(?P<version>[\d.]+)")


def lowest(project: Path = PROJECT) -> dict[str, str]:
    """The lower bound of every package that the project or one of its extras needs.

    Raises `ValueError` where two extras bound one package differently: one environment cannot show both to hold.
    """
    stated = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    needed = [*stated["dependencies"], *(one for extra in stated["optional-dependencies"].values() for one in extra)]
    bounds: dict[str, str] = {}
    for bound in filter(None, map(BOUND.fullmatch, needed)):
        name, version = bound["name"], bound["version"]
        if bounds.setdefault(name, version) != version:
            raise ValueError(f"{name} has two lower bounds, {bounds[name]} and {version}: state one")
    return bounds


if __name__ == "__main__":
    print("\n".join(f"{name}=={version}" for name, version in sorted(lowest().items())))
