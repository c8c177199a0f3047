"""One small stream of generated rooms for all tests, and impatience."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afanet.data.prepare import prepare
from afanet.data.streams import fetch
from afanet.data.streams.write import write_stream
from afanet.runs.setup import data_cache, open_whole, stream_config

from ...small import make_small
from .server import Served, serve

SHARD = 3 * 24 * 32 * 8  # bytes, of which three samples are somewhat fewer


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stream of the small recipe `rooms`, ten training samples and seven for tests, in small shards."""
    folder = tmp_path_factory.mktemp("stream")
    recipe = make_small()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFANET_CACHE", str(folder / "cache"))
        data = open_whole(recipe)
        cache, _ = prepare(data, data_cache(recipe), workers=0)
        write_stream(data, cache, stream_config(recipe), str(folder / "rooms"), print, shard=SHARD)
    return folder / "rooms"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of its own, and waits of fractions of a second."""
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    monkeypatch.setattr(fetch, "PAUSE", 0.01)


@pytest.fixture
def served(written: Path, impatient: Any) -> Iterator[Served]:
    """The stream on a web server."""
    pytest.importorskip("aiohttp")
    with serve(written) as server:
        yield server
