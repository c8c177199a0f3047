"""Databases that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

from sqlalchemy.exc import OperationalError

from afanet.errors import InputError
from afanet.sweeps.database import database, default_storage


def test_a_database_that_cannot_be_used_is_one_sentence_without_its_password(tmp_path: Path) -> None:
    no_database = tmp_path / "photo.jpg"
    no_database.write_bytes(b"\xff\xd8" * 999)
    for url, says in (
        ("sweep.db", "expected a URL such as sqlite"),
        ("", "expected a URL such as sqlite"),
        (f"sqlite:///{tmp_path}/nowhere/sweep.db", "unable to open database file"),
        (f"sqlite:///{no_database}", "file is not a database"),
        ("nosuch://me:secret@host/sweep", "nosuch"),
    ):
        with pytest.raises(InputError, match=says) as refused, database(url):
            pass
        assert "secret" not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_the_driver_that_a_database_needs_is_named() -> None:
    says = r"\*\*\*@host/sweep needs the Python package that drives it: .* is missing"
    with pytest.raises(InputError, match=says), database("postgresql+pg8000://me:secret@host/sweep"):
        pass


def test_one_that_another_process_makes_at_this_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def opened(url: str, engine_kwargs: dict[str, object]) -> str:
        tried.append(url)
        if len(tried) == 1:
            raise OperationalError("CREATE TABLE studies", {}, Exception("table studies already exists"))
        return "opened"

    monkeypatch.setattr("afanet.sweeps.database.RDBStorage", opened)
    monkeypatch.setattr("afanet.sweeps.database.PAUSE", 0.0)
    with database(default_storage(tmp_path)) as storage:
        assert (storage, len(tried)) == ("opened", 2)
