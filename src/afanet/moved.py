"""Modules under their names of version 0.1: importing one warns, and gives what has moved from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# The modules that have an old module's names now, searched in this order; a name that has changed is not found.
MOVED: dict[str, tuple[str, ...]] = {
    "comparison.borrowing": ("inspection.connections",),
    "comparison.examine": ("report.examine",),
    "comparison.inspection": ("inspection.inspect_run",),
    "comparison.runs": ("comparison.groups", "runs.run", "runs.siblings"),
    "data.declared": ("declared",),
    "data.survey": ("data.checks.survey",),
    "inference.photo": ("photo", "inference.find", "inference.network_input"),
    "inference.results": ("inference", "tasks.result"),
    "meanings": ("tasks.kinds", "tasks.meaning"),
    "tasks.read": ("tasks.kinds",),
    "training.checkpoint": ("runs.checkpoint",),
    "training.device": ("distributed.device",),
    "training.folder": ("runs.folder",),
    "training.load": ("recipe.load",),
    "training.processes": ("distributed.processes",),
    "training.progress": ("progress",),
    "training.recipe": ("recipe.schema",),
    "training.setup": ("runs.setup",),
    "training.stream": ("training.loaders",),
    "training.variants": ("recipe.variants",),
    "training.watch": ("training.diagnostics",),
}
SETS = ("adience", "celeba", "cityscapes", "digits", "manifest", "mixed", "nyuv2", "pets", "rooms")


class MovedModules(MetaPathFinder, Loader):
    """Finds modules by their old names, after every other finder has failed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """A spec for an old name, None for any other."""
        return ModuleSpec(fullname, self, is_package=True) if _now(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """A module that looks up each name where it is now."""
        now = _now(spec.name)
        warnings.warn(
            f"{spec.name} has moved to {' and '.join(now)}: import it from there", DeprecationWarning, stacklevel=2
        )
        module = ModuleType(spec.name)
        module.__path__ = []  # so that its submodules are found here too, never in the files of the new package

        def look_up(name: str) -> Any:
            for candidate in map(import_module, now):
                if hasattr(candidate, name):
                    return getattr(candidate, name)
            raise AttributeError(f"module '{spec.name}' has moved to {' and '.join(now)}, which has no '{name}'")

        module.__dict__["__getattr__"] = look_up
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def _now(fullname: str) -> tuple[str, ...]:
    """The modules that an old name stands for now; none for any other name.

    >>> _now("afanet.training.load"), _now("afanet.data.rooms.raycast"), _now("afanet.nowhere")
    (('afanet.recipe.load',), ('afanet.data.sets.rooms.raycast',), ())
    """
    name = fullname.removeprefix("afanet.")
    parts = name.split(".")
    if fullname != name and parts[0] == "data" and len(parts) > 1 and parts[1] in SETS:
        return (".".join(["afanet.data.sets", *parts[1:]]),)
    return tuple(f"afanet.{module}" for module in MOVED.get(name, ()) if fullname != name)
