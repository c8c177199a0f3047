"""Modules by the names of version 0.1 still give what they gave, with a warning."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from afanet.moved import MOVED, _now


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("training.load", "load_recipe"),
        ("training.recipe", "Recipe"),
        ("training.setup", "open_tasks"),
        ("comparison.runs", "group_runs"),
        ("inference.results", "DepthMap"),
        ("inference.photo", "read_photo"),
        ("data.rooms.raycast", "render"),
        ("data.rooms", "open_rooms"),
        ("data.nyuv2.nyuv2", "label_table"),
        ("data.celeba", "open_celeba"),
        ("data.survey", "survey"),
    ],
)
def test_an_old_name_gives_what_is_new_and_warns(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in [loaded for loaded in sys.modules if _now(loaded)]:
        monkeypatch.delitem(sys.modules, loaded)
    with pytest.warns(DeprecationWarning, match=rf"afanet\.{module} has moved to afanet\."):
        old = import_module(f"afanet.{module}")
    assert getattr(old, name) in [getattr(import_module(now), name, None) for now in _now(f"afanet.{module}")]
    with pytest.raises(AttributeError, match="which has no 'nothing_of_this_name'"):
        _ = old.nothing_of_this_name


@pytest.mark.parametrize("old", MOVED)
def test_what_is_new_is_there_and_what_is_old_is_gone(old: str) -> None:
    assert all(import_module(module) for module in _now(f"afanet.{old}"))
    assert f"afanet.{old}" not in (f"afanet.{module}" for modules in MOVED.values() for module in modules)


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("afanet.training.nowhere")
