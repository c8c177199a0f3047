"""The package says one version everywhere, and its extras are what the documentation names."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

import afanet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_there_is_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert "version" in PROJECT["project"]["dynamic"]
    assert afanet.__version__ == version("afanet") == citation["version"]


def test_every_extra_that_a_message_or_page_names_exists() -> None:
    texts = [file.read_text(encoding="utf-8") for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]]
    texts += [file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py")]
    named = {name for text in texts for names in re.findall(r"afanet\[([a-z,]+)\]", text) for name in names.split(",")}
    assert {"demo", "export", "onnx"} <= named <= set(EXTRAS)


def test_all_has_all_but_what_is_for_development() -> None:
    [everything] = EXTRAS["all"]
    assert set(re.findall(r"\w+", everything)) - {"afanet"} == set(EXTRAS) - {"all", "dev", "docs"}


def test_nothing_is_pinned_but_by_a_lower_bound() -> None:
    needed = [*PROJECT["project"]["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
    for one in needed:
        assert re.fullmatch(r"[\w-]+(\[[\w,-]+\])?(>=[\d.]+)?", one), one
        assert one.startswith("afanet[") or ">=" in one
