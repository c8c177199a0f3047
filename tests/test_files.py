"""A file is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from afanet.errors import InputError
from afanet.files import write_whole


def test_what_stood_there_stays_where_the_new_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_whole(tmp_path / "made" / "a.json", "old")

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"a\.json cannot be written: No space left"):
        write_whole(file, "new")
    assert [one.name for one in file.parent.iterdir()] == ["a.json"]
    assert file.read_text() == "old"
