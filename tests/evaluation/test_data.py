"""Which data a protocol names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from afanet.evaluation.data import recipe_for
from afanet.evaluation.protocol import Protocol
from afanet.recipe.load import dump_recipe, load_recipe

STREAM = "https://example.org/rooms"


@pytest.mark.parametrize("kind", ["folder", "recipe", "recipe of a stream"])
def test_other_data_are_not_those_of_the_run_s_stream(kind: str, tmp_path: Path) -> None:
    run: Any = SimpleNamespace(recipe=load_recipe("rooms", {"data.stream": STREAM}))
    other = None if kind != "recipe of a stream" else "https://example.org/other"
    given = tmp_path if kind == "folder" else tmp_path / "other.yaml"
    if given != tmp_path:
        given.write_text(dump_recipe(load_recipe("rooms", {"data.stream": other})))
    assert recipe_for(run, Protocol()).data.stream == STREAM
    assert recipe_for(run, Protocol(data=given)).data.stream == other
