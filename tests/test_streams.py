"""The standard streams: characters that an encoding lacks, and readers that leave."""

from __future__ import annotations

import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from afanet.streams import ASCII, HANDLER, encodable, standard_streams

ENCODINGS = ["ascii", "latin1", "cp1252", "cp437", "shift_jis", "koi8_r", "utf-8"]
WORDS = "".join(ASCII) + " größe 深度 \U0001f600"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_character_can_be_written(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding=encoding, newline="\n"))
    with standard_streams():
        print(WORDS)
    assert written.getvalue().decode(encoding) == encodable(WORDS, encoding) + "\n"
    with pytest.raises(UnicodeEncodeError) if encoding != "utf-8" else standard_streams():
        print(WORDS, flush=True)  # the streams are as they were before


def test_what_an_encoding_has_stays_and_names_lose_nothing() -> None:
    assert encodable("±2 ↑", "latin1") == "±2 ^"
    assert encodable("größe", "ascii").encode().decode("unicode_escape") == "größe"
    assert encodable(WORDS, "utf-8") == WORDS


def test_every_substitute_is_ascii() -> None:
    assert all(text.isascii() and text.isprintable() for text in ASCII.values())


def test_bytes_that_are_no_text_stay_these_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="utf-8", newline="\n"))
    with standard_streams():
        print(os.fsdecode(b"photo-\xff.png"))
    assert written.getvalue() == b"photo-\xff.png\n"


def test_the_user_s_own_rule_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii", errors="replace", newline="\n"))
    with standard_streams():
        print("miou ↑")
    assert written.getvalue() == b"miou ?\n"


def test_work_goes_on_where_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(sys, "stderr", TextIOWrapper(os.fdopen(writing, "wb"), encoding="utf-8"))
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with standard_streams() as output:
            for stream in (sys.stdout, sys.stderr):
                for _ in range(3):
                    print("words" * 10_000, file=stream, flush=True)
            assert output.error is not None
            assert output.error.strerror == "No space left on device"
    sys.stderr.close()  # and nothing is held back that could not be written now


def test_without_streams_there_is_nowhere_to_write_and_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with standard_streams() as output:
        print("words")
        print("words", file=sys.stderr)
    assert output.error is None


def test_the_rule_is_known_by_its_name() -> None:
    assert "↑".encode("ascii", HANDLER) == b"^"
