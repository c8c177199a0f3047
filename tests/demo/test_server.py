"""The server over a real socket: what it sends, refuses and never does."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import numpy as np
import pytest

from afanet.cli.main import main


@pytest.fixture
def port(served: Callable[[str], str]) -> int:
    found = urlsplit(served("afa")).port
    assert found is not None
    return found


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET" if body is None else "POST", path, body, headers)
    reply = connection.getresponse()
    return reply, reply.read()


def test_the_page_comes_with_a_policy_that_lets_nothing_in_from_elsewhere(port: int) -> None:
    for path, kind in {"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"}.items():
        reply, content = ask(port, path)
        assert (reply.status, reply.headers.get_content_type()) == (200, kind)
        assert reply.headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; "
        )
        assert b"http://" not in content
        assert b"https://" not in content


def test_a_photo_is_answered_and_a_sample_is_one(port: int, photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    about = json.loads(ask(port, "/about")[1])
    reply, content = ask(port, "/answer", as_file(photo))
    assert [task["name"] for task in json.loads(content)["tasks"]] == [task["name"] for task in about["tasks"]]
    reply, sample = ask(port, "/sample/0")
    assert reply.headers.get_content_type() == "image/png"
    assert ask(port, "/answer", sample)[0].status == 200
    assert ask(port, "/sample/99")[0].status == 404


def test_bad_input_gets_a_sentence(port: int, photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    for path, body, words in (
        ("/answer", b"nonsense", "no picture that can be read"),
        ("/answer", bytes(21 * 2**20), "more than 20 MiB"),
        ("/answer?layers=-1", as_file(photo), "layers is '-1', expected a number"),
        ("/answer?layers=1&to=0&source=0", as_file(photo), "expected two of 0 to 1"),
    ):
        reply, content = ask(port, path, body)
        assert reply.status == 422
        assert words in json.loads(content)["error"]


def test_photos_are_unpacked_one_at_a_time_and_hold_up_nothing_else(
    port: int, photo: np.ndarray, as_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most, begun, go_on = [0], [0], Event(), Event()

    def slow(content: bytes) -> np.ndarray:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        begun.set()
        assert go_on.wait(60)
        inside[0] -= 1
        return photo

    monkeypatch.setattr("afanet.demo.server.read_upload", slow)
    with ThreadPoolExecutor(3) as people:
        replies = [people.submit(ask, port, "/answer", as_file(photo)) for _ in range(3)]
        assert begun.wait(60)
        assert ask(port, "/about")[0].status == 200
        go_on.set()
        assert [reply.result()[0].status for reply in replies] == [200, 200, 200]
    assert most == [1]


def test_a_page_from_elsewhere_that_points_here_gets_nothing(port: int) -> None:
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "[::1", ""):
        assert ask(port, "/about", Host=host)[0].status == 400
    for host in (f"localhost:{port}", "localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "[::1]"):
        assert ask(port, "/about", Host=host)[0].status == 200


def test_the_command_serves_until_it_is_interrupted(run: Path) -> None:
    command = [sys.executable, "-m", "afanet", "demo", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = re.fullmatch(
            rf"{run} can be tried at http://127\.0\.0\.1:(\d+); Ctrl-C ends it\n", process.stdout.readline()
        )
        assert told is not None
        assert json.loads(ask(int(told[1]), "/about")[1])["method"] == "afa"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 130


def test_an_address_that_cannot_be_had_is_said(run: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, words in (
        (["--port", str(port)], f"at 127.0.0.1:{port} (Address already in use): give another --port"),
        (["--port", "99999"], "give another --port"),
        (["--host", "192.0.2.1"], "give another --host"),  # an address for documentation, which no machine has
    ):
        assert main(["demo", str(run), *flags]) == 2
        assert words in capsys.readouterr().err
    assert main(["demo", str(run.parent / "none")]) == 2
    assert "none is no folder of a run" in capsys.readouterr().err
