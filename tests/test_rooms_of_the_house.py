"""Imports run downward: cli -> demo, export -> report -> inspection -> comparison -> training -> runs -> data."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "afanet"
PLAIN = {"errors", "files", "limits", "names", "registry", "outside"}  # what every room but `fusion` may import
BELOW = {
    "errors": set(),
    "limits": set(),
    "names": set(),
    "plain_text": set(),
    "files": {"errors"},
    "outside": {"errors", "files"},
    "registry": {"errors", "names", "outside"},
    "meanings": {"names"},
    "yaml_file": {"errors", "files"},
    "fusion": {"errors"},
    "networks": PLAIN | {"fusion"},
    "reference": PLAIN | {"fusion", "networks"},
    "tasks": PLAIN | {"networks"},
    "data": PLAIN | {"tasks"},
    "recipe": PLAIN | {"networks", "yaml_file"},
    "distributed": PLAIN | {"recipe", "tasks"},
    "progress": {"distributed"},
    "runs": PLAIN | {"meanings", "networks", "tasks", "data", "recipe", "distributed", "progress"},
    "testing": PLAIN | {"fusion"},
    "training": PLAIN | {"fusion", "networks", "tasks", "data", "recipe", "distributed", "progress", "runs"},
    "comparison": PLAIN
    | {"plain_text", "yaml_file", "tasks", "data", "recipe", "distributed", "progress", "runs", "training"},
    "inspection": PLAIN | {"fusion", "tasks", "data", "progress", "runs", "comparison"},
    "report": PLAIN | {"fusion", "tasks", "data", "recipe", "progress", "runs", "training", "comparison", "inspection"},
    "export": PLAIN | {"plain_text", "tasks", "data", "runs", "comparison"},
    "inference": PLAIN | {"meanings"},
    "demo": PLAIN | {"inference", "fusion", "tasks", "data", "runs", "comparison", "inspection", "report"},
    "cli": PLAIN
    | {
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
# The one file of its room that needs torch, and that nothing imports before it is asked for a run.
TORCH = {"inference/run_model.py": {"data", "runs", "comparison"}}
HEAVY = ("lightning", "torchmetrics", "pydantic", "yaml", "h5py", "scipy", "matplotlib", "rich")


def imported_rooms(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("afanet."):
            found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_imports_only_from_rooms_below_its_own(file: Path) -> None:
    place = file.relative_to(SOURCE)
    room = place.parts[0].removesuffix(".py")
    if room != "__init__":
        assert imported_rooms(file) <= BELOW[room] | {room} | TORCH.get(place.as_posix(), set())


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
