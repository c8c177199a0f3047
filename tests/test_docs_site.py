"""The documentation site builds without a warning and without the network, and loads nothing from elsewhere."""

from __future__ import annotations

import importlib
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from inspect import isclass, isroutine
from pathlib import Path
from typing import Any

import pytest

from .data.pages import blocks, commands

for module in ("zensical", "mkdocstrings", "latex2mathml"):
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
MARKUP = r'class="arithmatex"|:math:|:class:|:func:|<autoref|&gt;&gt;&gt; .*&gt;&gt;&gt;'  # what is drawn, or a link
SHOWN = "return arguments[0].closest('pre').textContent"
ALONE = """
import socket
from zensical.main import cli

def refuse(*arguments):
    raise OSError("the build asked for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
cli()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy, because a site can only be written beside its pages."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "zensical.toml", folder)
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-c", ALONE, "build", "--strict"]
    environment = os.environ | {"PYTHONPATH": "docs/extensions", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(build, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "warning" not in said.lower()
    return folder / "site"


class Seen(HTMLParser):
    """Collects a page's elements with their attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def loaded(self) -> Iterator[str]:
        """What the page loads: every address but those of links to follow."""
        for tag, attributes in self.elements:
            if tag != "a":
                yield from filter(None, map(attributes.get, ("src", "srcset", "href", "data")))


def pages(site: Path) -> list[Path]:
    found = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(found) > 20
    return found


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"[\w/-]+\.md", str(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"])))
    assert listed == {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}


def test_what_a_page_loads_is_in_the_site(site: Path) -> None:
    for page in pages(site):
        assert [address for address in Seen(page).loaded() if not (page.parent / address).is_file()] == [], page


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style


def test_a_page_has_one_title(site: Path) -> None:
    for page in pages(site):
        assert [tag for tag, _ in Seen(page).elements].count("h1") == 1, page


def test_the_site_holds_no_programs(site: Path) -> None:
    assert not [*site.rglob("*.py"), *site.rglob("*.npz")]


def test_the_button_of_a_block_copies_its_commands(site: Path) -> None:
    """Without prompts, remarks and output."""
    for page in (ROOT / "docs").glob("*.md"):
        consoles = [block for block in blocks(page) if block.kind == "console"]
        expected = ["\n".join(command for command, _ in commands(block)) for block in consoles]
        copied = [
            attributes["data-copy"]
            for _, attributes in Seen(site / f"{page.stem}.html").elements
            if attributes.get("class") == "language-console highlight"
        ]
        assert copied == expected, page


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
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert not re.search(MARKUP, text), page
        assert all("\\" not in formula for formula in re.findall(r"<math.*?</math>", text)), page
    assert "<math" in (site / "reference/fusion.html").read_text(encoding="utf-8")


def test_search_works_from_disk_and_asks_for_nothing_elsewhere(site: Path, browser: Any) -> None:
    browser.visit((site / "index.html").as_uri())
    browser.script("document.querySelector('[data-md-component=search] button').click()")
    shadow = "[...document.querySelectorAll('body > div')].map(one => one.shadowRoot).find(one => one)"
    browser.wait(lambda: browser.script(f"return {shadow}?.querySelector('input')"))
    browser.script(f"return {shadow}.querySelector('input')").send_keys("cross-stitch")
    browser.wait(lambda: browser.script(f"return {shadow}.querySelector('a[href$=\"#afanet.fusion.CrossStitch\"]')"))
    assert [address for address in browser.asked_for() if not address.startswith(("file:", "data:", "about:"))] == []


def test_the_button_copies_without_prompt_and_output(site: Path, browser: Any) -> None:
    browser.visit((site / "index.html").as_uri())
    browser.script("addEventListener('copy', () => { window.copied = document.activeElement.value }, true)")
    browser.wait(lambda: browser.all("[data-md-type=copy]"))
    button = next(one for one in browser.all("[data-md-type=copy]") if "epoch 1/1" in browser.script(SHOWN, one))
    browser.script("arguments[0].scrollIntoView({ block: 'center' })", button)
    button.click()  # as a person does, or the browser copies nothing
    browser.wait(lambda: browser.script("return window.copied") == "afanet train rooms --size 48 64 --epochs 1")


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
