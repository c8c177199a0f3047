"""The documentation site builds without a warning and without the network, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from inspect import isclass, isroutine
from pathlib import Path

import pytest

for module in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
    pytest.importorskip(module)

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "fusion",
    "networks",
    "tasks",
    "data",
    "comparison",
    "sweeps",
    "report",
    "export",
    "inference",
    "labelling",
    "demo",
    "testing",
)
ALONE = """
import socket
from mkdocs.__main__ import cli

def refuse(*arguments):
    raise OSError("the build asked for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
cli()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-c", ALONE, "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARNING" not in said
    return folder


class Loaded(HTMLParser):
    """Collects what a page loads: every address but those of links to follow."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            self.addresses += [
                value for name, value in attributes if value and name in ("src", "srcset", "href", "data")
            ]


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        found = Loaded()
        found.feed(page.read_text(encoding="utf-8"))
        assert not [address for address in found.addresses if re.match(r"(https?:)?//", address)], page


def test_styles_and_scripts_load_nothing_from_elsewhere(site: Path) -> None:
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style
    for script in site.rglob("*.js"):
        found = re.findall(r"[\"'`]((?:https?:)?//[\w.-]+\.\w+)", script.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org"}, script  # names of kinds of XML


def test_every_public_name_has_its_place_in_the_reference(site: Path) -> None:
    for package in PACKAGES:
        page = (site / f"reference/{package}.html").read_text(encoding="utf-8")
        module = importlib.import_module(f"afanet.{package}")
        described = [
            name for name in module.__all__ if isroutine(getattr(module, name)) or isclass(getattr(module, name))
        ]
        missing = [name for name in described if not re.search(rf'id="afanet\.{package}[.\w]*\.{name}"', page)]
        assert not missing, package


def test_formulas_and_references_are_drawn(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'class="arithmatex"|:math:|:class:|:func:|&gt;&gt;&gt; .*&gt;&gt;&gt;', text), page
        assert all("\\" not in formula for formula in re.findall(r"<math.*?</math>", text)), page


def test_drawings_are_what_their_script_draws() -> None:
    for name, draw in runpy.run_path(str(ROOT / "docs/drawings/draw.py"))["DRAWINGS"].items():
        assert (ROOT / f"docs/drawings/{name}.svg").read_text(encoding="utf-8") == draw().svg(), name
    for name in ("house", "layer", "start"):
        draw = runpy.run_path(str(ROOT / f"docs/drawings/{name}.py"))[name]
        assert (ROOT / f"docs/drawings/{name}.svg").read_text(encoding="utf-8") == draw().svg(), name


def test_pictures_are_small() -> None:
    sizes = [picture.stat().st_size for picture in (ROOT / "docs").rglob("*.png")]
    assert sizes
    assert max(sizes) < 150_000
    assert sum(sizes) < 1_000_000
