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
    "json_text",
    "limits",
    "names",
    "paths",
    "registry",
    "outside",
}  # for every room but `fusion`
BELOW = {
    "suggest": set(),
    "install": set(),
    "errors": {"suggest"},
    "moved": set(),
    "limits": set(),
    "names": {"errors"},
    "plain_text": set(),
    "streams": set(),
    "terminal": {"streams"},
    "files": {"errors"},
    "json_text": {"errors", "files"},
    "paths": {"errors"},
    "outside": {"errors", "files"},
    "registry": {"errors", "names", "outside"},
    "picture_format": set(),
    "photo": {"errors", "files", "limits", "picture_format"},
    "framing": set(),
    "normalisation": {"errors"},
    "label_files": {"errors", "files", "install", "limits", "photo", "picture_format"},
    "images": {"errors", "limits", "label_files", "photo"},
    "declared": {"errors"},
    "yaml_file": {"errors", "files"},
    "fusion": {"errors"},
    "networks": PLAIN | {"fusion", "install", "normalisation"},
    "reference": PLAIN | {"fusion", "networks"},
    "tasks": PLAIN | {"framing", "networks", "declared", "label_files"},
    "data": PLAIN
    | {
        "install",
        "photo",
        "framing",
        "normalisation",
        "images",
        "declared",
        "label_files",
        "yaml_file",
        "networks",
        "tasks",
    },
    "recipe": PLAIN | {"framing", "normalisation", "networks", "yaml_file"},
    "distributed": PLAIN | {"streams", "recipe", "tasks"},
    "installation": PLAIN | {"install", "distributed"},
    "progress": {"streams", "terminal", "distributed"},
    "runs": PLAIN | {"normalisation", "networks", "tasks", "data", "recipe", "distributed", "progress"},
    "training": PLAIN
    | {"normalisation", "fusion", "networks", "tasks", "data", "recipe", "distributed", "progress", "runs"},
    "comparison": PLAIN
    | {"plain_text", "yaml_file", "tasks", "data", "recipe", "distributed", "progress", "runs", "training"},
    "sweeps": PLAIN | {"yaml_file", "tasks", "recipe", "distributed", "progress", "runs", "training", "comparison"},
    "inspection": PLAIN
    | {"framing", "normalisation", "images", "fusion", "tasks", "data", "progress", "runs", "comparison"},
    "report": PLAIN
    | {
        "normalisation",
        "fusion",
        "tasks",
        "data",
        "recipe",
        "progress",
        "runs",
        "training",
        "comparison",
        "sweeps",
        "inspection",
    },
    "inference": PLAIN | {"install", "photo", "framing", "normalisation", "images", "tasks"},
    "labelling": PLAIN | {"install", "photo", "normalisation", "images", "tasks", "inference"},
    "evaluation": PLAIN
    | {"framing", "networks", "tasks", "data", "recipe", "distributed", "progress", "runs", "training", "inference"},
    "export": PLAIN
    | {
        "install",
        "plain_text",
        "framing",
        "normalisation",
        "images",
        "fusion",
        "networks",
        "tasks",
        "data",
        "recipe",
        "progress",
        "runs",
        "training",
        "inference",
        "evaluation",
    },
    "demo": PLAIN
    | {
        "photo",
        "framing",
        "normalisation",
        "images",
        "recipe",
        "inference",
        "fusion",
        "tasks",
        "data",
        "runs",
        "inspection",
        "report",
    },
    "testing": PLAIN | {"declared", "fusion", "networks", "tasks"},
    "results": {"errors"},
    "cli": PLAIN
    | {
        "streams",
        "terminal",
        "install",
        "distributed",
        "installation",
        "progress",
        "photo",
        "normalisation",
        "images",
        "tasks",
        "yaml_file",
        "networks",
        "data",
        "recipe",
        "runs",
        "training",
        "comparison",
        "sweeps",
        "inspection",
        "report",
        "export",
        "inference",
        "labelling",
        "evaluation",
        "demo",
        "results",
    },
    "__main__": {"cli"},
}
# Imports inside a function, which nothing runs before it is asked to.
LAZY = {
    "inference/run_model.py": {"data", "recipe", "runs"},  # with load.py, the files of their room that need torch
    "inference/load.py": {"distributed", "networks", "runs"},
    "inference/predictor.py": {"runs"},  # reads a run, where the predictor is asked for that of a run
    "runs/run.py": {"inference"},  # `run.predictor()` gives the predictor of the room above
}
PAGE = Path(__file__).parents[1] / "docs" / "house.md"
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


def table() -> str:
    """The rooms, what is in them, and what they may import beside `PLAIN`, as the page has them."""
    lines = ["| room | what is in it | may import |", "| --- | --- | --- |"]
    for room, below in BELOW.items():
        file = SOURCE / room / "__init__.py" if (SOURCE / room).is_dir() else SOURCE / f"{room}.py"
        what = str(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))).split("\n\n")[0].rstrip(".")
        others = ", ".join(f"`{other}`" for other in BELOW if other in below - PLAIN) or "-"
        lines.append(f"| `{room}{'/' * (SOURCE / room).is_dir()}` | {' '.join(what.split())} | {others} |")
    return "\n".join(lines)


def test_the_page_has_the_table_of_rooms() -> None:
    shown = PAGE.read_text(encoding="utf-8").partition("<!-- rooms -->\n")[2].partition("\n<!--")[0]
    assert shown == table(), "docs/house.md lacks:\n" + table()


def test_every_room_is_in_the_table() -> None:
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}
    assert rooms - {"__init__"} == set(BELOW)


LONGEST, MOST_LINES = 250, 40


def test_files_are_short() -> None:
    long = [file for file in SOURCE.rglob("*.py") if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST]
    assert not long


def test_functions_are_short_or_say_why_not() -> None:
    """A function of more than 40 lines, without its docstring, has a comment that begins with `Long:`."""
    unexplained = []
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
                source = text.splitlines()[node.lineno - 1 : node.end_lineno]
                if len(source) - docstring > MOST_LINES and not any("# Long:" in line for line in source):
                    unexplained.append(f"{file.relative_to(SOURCE)}: {node.name}")
    assert not unexplained


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
