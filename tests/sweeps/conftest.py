"""Databases of these tests need not survive a power cut: to wait for the disk takes longer than all else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

sqlalchemy = pytest.importorskip("sqlalchemy", reason="sqlalchemy is missing: pip install 'afanet[sweep]'")


def _hurry(connection: Any, record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture(scope="session", autouse=True)
def hurried() -> Iterator[None]:
    """SQLite leaves it to the system when it writes."""
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _hurry)
    yield
    sqlalchemy.event.remove(sqlalchemy.Engine, "connect", _hurry)
