"""The notebooks are stripped of outputs, name only what the reference documents, and run from their first cell on."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = [pytest.param(file, id=file.stem) for file in sorted((ROOT / "notebooks").glob("*.ipynb"))]
SHELL = re.compile(r"^( *)[!%].*", re.MULTILINE)


def sources(file: Path, kind: str = "code") -> list[str]:
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def documented() -> dict[str, list[str]]:
    """The public names of each module that a page of the reference is about, and of the package itself."""
    names = {"afanet": importlib.import_module("afanet").__all__}
    for page in (ROOT / "docs/reference").glob("*.md"):
        for part in page.read_text(encoding="utf-8").split("\n::: ")[1:]:
            module, members = part.split("\n")[0], re.search(r"members: \[(.*)\]", part)
            if members:
                names[module] = members[1].split(", ")
            elif module == f"afanet.{page.stem}":
                names[module] = importlib.import_module(module).__all__
    return names


def named(file: Path) -> set[tuple[str, str]]:
    """Every (module, name) of the package that a notebook imports or reads."""
    pairs = set()
    for node in ast.walk(ast.parse("\n".join(SHELL.sub(r"\1pass", source) for source in sources(file)))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("afanet"):
            pairs |= {(str(node.module), alias.name) for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "afanet":
            pairs.add(("afanet", node.attr))
    return pairs


def test_the_page_lists_every_notebook() -> None:
    page = (ROOT / "docs/notebooks.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(.+\.ipynb)`", page, re.MULTILINE) == ["weave.ipynb", "your-photos.ipynb", "inside.ipynb"]
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_notebook_is_valid_and_stripped(file: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.metadata == {}
        assert cell.cell_type == "markdown" or (cell.outputs == [] and cell.execution_count is None)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_notebook_names_only_what_the_reference_documents(file: Path) -> None:
    public = documented()
    assert named(file)
    for module, name in named(file):
        assert name in public.get(module, []), f"{module}.{name}"
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("file", NOTEBOOKS)
def test_the_pages_that_a_notebook_names_exist(file: Path) -> None:
    named = re.findall(r"`(\S+\.(?:md|ipynb))`", "".join(sources(file, "markdown")))
    assert named
    for name in named:
        assert (ROOT / name).is_file() or (file.parent / name).is_file(), name


def test_every_notebook_begins_by_installing_what_is_missing() -> None:
    [first] = {sources(parameter.values[0])[0] for parameter in NOTEBOOKS}
    assert '%pip install --quiet "{source}[train]"' in first


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS)
def test_a_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where they write
    notebook: Any = nbformat.read(file, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error: " not in "".join(output.text for output in outputs if output.output_type == "stream")
    assert any("image/png" in output.get("data", {}) for output in outputs)
