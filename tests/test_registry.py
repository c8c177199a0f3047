"""Rows by name: the package's own come first and stay, others are added, from Python, packages and references."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from afanet import outside, registry
from afanet.errors import InputError
from afanet.registry import Registry


def read(name: str, given: object) -> int:
    if not isinstance(given, int):
        raise InputError(f"size '{name}' is no number")
    return given


def make() -> Registry[int]:
    return Registry("size", "size", {"small": 1, "lazy": "math:inf"}, read=read)


def test_rows_are_listed_in_their_order_and_imported_when_asked_for() -> None:
    rows = make()
    assert list(rows) == ["small", "lazy"]
    assert rows["lazy"] == float("inf")


def test_own_rows_cannot_be_replaced_and_others_can() -> None:
    rows = make()
    with pytest.raises(InputError, match="'small' cannot name a size, since it is taken"):
        rows.register("small", 2)
    with pytest.raises(InputError, match="is not a word"):
        rows.register("two words", 2)
    rows.register("large", 2)
    rows.register("large", 3)
    assert rows["large"] == 3
    assert len(rows) == 3


def test_what_cannot_be_a_row_is_not_added() -> None:
    rows = make()
    with pytest.raises(InputError, match="no number"):
        rows.register("large", "x")
    assert "large" not in rows


def test_packages_add_rows_but_do_not_replace_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("size.far", "math:tau", "afanet"),
        EntryPoint("size.small", "os:no", "afanet"),
        EntryPoint("other.big", "os:no", "afanet"),
        EntryPoint("size.gone", "no_such_module:x", "afanet"),
        EntryPoint("size.whole", "sys:maxsize", "afanet"),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    rows = make()
    assert list(rows) == ["small", "lazy", "far", "gone", "whole"]
    assert rows["small"] == 1
    assert rows["whole"] > 1
    with pytest.raises(InputError, match="'far' is no number"):
        rows["far"]
    with pytest.raises(InputError, match=r"size.gone = no_such_module:x .* cannot be loaded: ModuleNotFoundError"):
        rows["gone"]


def test_a_reference_is_a_row_where_it_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_trusted", set())
    (tmp_path / "mine.py").write_text("LARGE = 7\nWORD = 'x'\n")
    rows, name = make(), f"{tmp_path / 'mine.py'}:LARGE"
    assert name in rows
    with pytest.raises(InputError, match="--trust-code"):
        rows[name]
    outside.trust_code()
    assert rows[name] == 7
    assert name not in list(rows)
    with pytest.raises(InputError, match="no number"):
        rows[name.replace("LARGE", "WORD")]
