"""Every command in the pages on training is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from afanet.cli.flags import SHORT, overrides
from afanet.cli.main import parse
from afanet.recipe.load import load_recipe, recipe_names

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
COMMANDS = [
    (page.stem, re.sub(r"\s+# .*", "", line))
    for page in PAGES
    for line in re.findall(r"^\$ (?:.* )?(afanet .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_it_is_taken(page: str, command: str) -> None:
    given = parse(shlex.split(command.replace("METHOD", "afa").replace("SEED", "0"))[1:])
    if given.chosen == "train":
        named = given.recipe in recipe_names()
        assert named or given.recipe.endswith(".yaml"), f"{page}: {command}"
        load_recipe(given.recipe if named else "rooms", overrides(given))


def test_the_table_of_recipes_has_them_all() -> None:
    [page] = [page for page in PAGES if page.stem == "training"]
    text = page.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in recipe_names())


def test_the_table_of_short_names_has_them_all() -> None:
    [page] = [page for page in PAGES if page.stem == "command-line"]
    rows = re.findall(r"^\| `--([\w-]+)` \| `([\w.]+)` \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {key: flag for flag, key in rows} == SHORT
