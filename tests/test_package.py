"""The package says one version everywhere, and its extras are what the documentation names."""

from __future__ import annotations

import re
import runpy
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import afanet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
CONDA = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text(encoding="utf-8"))


def test_there_is_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert "version" in PROJECT["project"]["dynamic"]
    assert afanet.__version__ == version("afanet") == citation["version"] == CONDA["context"]["version"]


def test_every_extra_that_a_message_or_page_names_exists() -> None:
    texts = [file.read_text(encoding="utf-8") for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]]
    texts += [file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py")]
    listed = [names for text in texts for names in re.findall(r"(?:afanet|\.)\[([a-z,]+)\]", text)]
    named = {name for names in listed for name in names.split(",")}
    assert {"demo", "export", "onnx"} <= named <= set(EXTRAS)


def test_all_has_all_but_what_is_for_development_and_executorch_whose_bounds_would_bind_the_rest() -> None:
    [everything] = EXTRAS["all"]
    assert set(re.findall(r"\w+", everything)) - {"afanet"} == set(EXTRAS) - {"all", "dev", "docs", "executorch"}


def test_nothing_is_pinned_but_by_a_lower_bound() -> None:
    needed = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    for one in needed:
        assert re.fullmatch(r"[\w-]+(\[[\w,-]+\])?(>=[\d.]+)?", one), one
        assert one.startswith("afanet[") or ">=" in one


def test_conda_installs_what_pip_does() -> None:
    project, needed = PROJECT["project"], CONDA["requirements"]
    assert f">={CONDA['context']['python_min']}" == project["requires-python"]
    core = [re.sub("^torch>", "pytorch>", one).replace(">=", " >=") for one in project["dependencies"]]
    assert sorted(needed["run"]) == sorted(["python >=${{ python_min }}", *core])
    backend = [one.replace(">=", " >=") for one in PROJECT["build-system"]["requires"]]
    assert sorted(needed["host"]) == sorted(["python ${{ python_min }}.*", "pip", *backend])


def test_conda_says_what_the_project_says() -> None:
    project = PROJECT["project"]
    assert CONDA["package"]["name"] == project["name"]
    assert CONDA["about"]["summary"] == project["description"]
    assert CONDA["about"]["license"] == project["license"]
    assert [CONDA["about"]["license_file"]] == project["license-files"]
    commands = [f"{name} = {function}" for name, function in project["scripts"].items()]
    assert CONDA["build"]["python"]["entry_points"] == commands


def test_the_lowest_versions_are_those_that_are_stated() -> None:
    lowest = runpy.run_path(str(ROOT / "packaging/lowest.py"))["lowest"]
    needed = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    stated = {re.sub(r"\[.*\]", "", one) for one in needed if not one.startswith("afanet[")}
    assert {f"{name}>={bound}" for name, bound in lowest().items()} == stated


def test_two_lower_bounds_of_one_package_are_refused(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\ndependencies = ["torch>=2.12"]\n[project.optional-dependencies]\nmore = ["torch>=2.14"]\n'
    )
    lowest = runpy.run_path(str(ROOT / "packaging/lowest.py"))["lowest"]
    with pytest.raises(ValueError, match=r"torch has two lower bounds, 2\.12 and 2\.14: state one"):
        lowest(project)
