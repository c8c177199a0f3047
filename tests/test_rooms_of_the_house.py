"""Imports go downward: cli -> demo, export, report -> inspection -> comparison -> training -> runs -> data -> tasks."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "afanet"
PLAIN = {
    "errors",
    "files",
    "limits",
    "names",
    "paths",
    "registry",
    "outside",
}  # for every room but `fusion`
BELOW = {
    "errors": set(),
    "moved": set(),
    "limits": set(),
    "names": set(),
    "plain_text": set(),
    "files": {"errors"},
    "paths": {"errors"},
    "outside": {"errors", "files"},
    "registry": {"errors", "names", "outside"},
    "photo": {"errors", "files", "limits"},
    "label_files": {"errors", "files", "photo"},
    "declared": {"errors"},
    "yaml_file": {"errors", "files"},
    "fusion": {"errors"},
    "networks": PLAIN | {"fusion"},
    "reference": PLAIN | {"fusion", "networks"},
    "tasks": PLAIN | {"networks", "declared", "label_files"},
    "data": PLAIN | {"photo", "declared", "label_files", "tasks"},
    "recipe": PLAIN | {"networks", "yaml_file"},
    "distributed": PLAIN | {"recipe", "tasks"},
    "progress": {"distributed"},
    "runs": PLAIN | {"networks", "tasks", "data", "recipe", "distributed", "progress"},
    "training": PLAIN | {"fusion", "networks", "tasks", "data", "recipe", "distributed", "progress", "runs"},
    "comparison": PLAIN
    | {"plain_text", "yaml_file", "tasks", "data", "recipe", "distributed", "progress", "runs", "training"},
    "inspection": PLAIN | {"photo", "fusion", "tasks", "data", "progress", "runs", "comparison"},
    "report": PLAIN | {"fusion", "tasks", "data", "recipe", "progress", "runs", "training", "comparison", "inspection"},
    "export": PLAIN | {"plain_text", "tasks", "data", "runs"},
    "inference": PLAIN | {"photo", "tasks"},
    "demo": PLAIN | {"photo", "inference", "fusion", "tasks", "data", "runs", "inspection", "report"},
    "testing": PLAIN | {"declared", "fusion", "networks", "tasks"},
    "cli": PLAIN
    | {
        "photo",
        "tasks",
        "yaml_file",
        "networks",
        "data",
        "recipe",
        "runs",
        "training",
        "comparison",
        "inspection",
        "report",
        "export",
        "inference",
        "demo",
    },
    "__main__": {"cli"},
}
# Imports inside a function, which nothing runs before it is asked to.
LAZY = {
    "inference/run_model.py": {"data", "runs"},  # the one file of its room that needs torch
    "inference/predictor.py": {"runs"},  # reads a run, where the predictor is asked for that of a run
    "runs/run.py": {"inference"},  # `run.predictor()` gives the predictor of the room above
}
HEAVY = ("lightning", "torchmetrics", "pydantic", "yaml", "h5py", "scipy", "matplotlib", "rich")


def imported_rooms(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("afanet."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_imports_only_from_rooms_below_its_own(file: Path) -> None:
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room != "__init__":
        assert imported_rooms(file) <= BELOW[room] | {room} | LAZY.get(file.relative_to(SOURCE).as_posix(), set())


def test_the_core_does_without_the_libraries_of_training() -> None:
    script = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        f"    def find_spec(self, name, *rest):\n        if name.split('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import afanet, afanet.fusion, afanet.networks\n"
        "afanet.create_network('afa', {'age': afanet.Pooled(8), 'gender': afanet.Pooled(2)}, 'resnet18')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
