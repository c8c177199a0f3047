"""The server over a real socket: what it sends, refuses and never does."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from afanet.cli.main import main
from afanet.demo import Exhibit, find_address
from afanet.demo.guard import GUARDED
from afanet.demo.patience import read_body


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
    kinds = {"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css", "/style.css": "text/css"}
    for path, kind in kinds.items():
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


def guards(reply: HTTPResponse) -> dict[str, str | None]:
    return {name: reply.headers[name] for name in GUARDED}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/", None, {}, 200),
        ("/page.js", None, {}, 200),
        ("/about", None, {}, 200),
        ("/sample/0", None, {}, 200),
        ("/sample/9", None, {}, 404),
        ("/none", None, {}, 404),
        ("/about", b"", {}, 405),
        ("/about", None, {"Host": "evil.example"}, 400),
        ("/about/", None, {}, 307),
        ("/answer", b"none", {}, 422),
        ("/answer", None, {}, 405),
    ],
)
def test_every_answer_has_all_that_guards_it(
    path: str, body: bytes | None, headers: dict[str, str], status: int, port: int
) -> None:
    reply, _ = ask(port, path, body, **headers)
    assert reply.status == status
    assert guards(reply) == GUARDED
    assert reply.headers["Cross-Origin-Resource-Policy"] == reply.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert {"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"} < set(GUARDED)


def test_what_fails_unexpectedly_reaches_the_page_as_a_sentence_and_the_terminal_as_a_line(
    port: int,
    photo: np.ndarray,
    as_file: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(content: bytes) -> None:
        raise MemoryError("of \x1b[31m\ntwo lines")

    monkeypatch.setattr("afanet.demo.server.read_upload", fail)
    reply, content = ask(port, "/answer", as_file(photo))
    assert (reply.status, guards(reply)) == (500, GUARDED)
    assert "could not be answered (MemoryError)" in json.loads(content)["error"]
    said = capsys.readouterr().err
    assert said.startswith("afanet: error: ")
    assert "MemoryError" in said
    assert said.index("\n") == len(said) - 1
    assert "\x1b" not in said


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1.0", "%31%32", "%D9%A1", "%00", "²", "0" * 4400])
def test_a_sample_by_whatever_number_is_there_or_not(port: int, number: str) -> None:
    reply, content = ask(port, f"/sample/{quote(number, safe='%')}")
    assert (reply.status, guards(reply)) == (404, GUARDED)
    assert len(content) < 200


ODD = st.text(st.characters(codec="utf-8"), max_size=20) | st.integers().map(str)
PATHS = st.one_of(
    ODD.map(lambda text: "/" + quote(text)),
    ODD.map(lambda text: "/sample/" + quote(text)),
    st.from_regex(r"/(answer|about|sample/0|page)?[!-~]{0,30}", fullmatch=True),
    st.dictionaries(st.sampled_from(["to", "source", "layers", "tasks"]), ODD).map(
        lambda asked: f"/answer?{urlencode(asked)}"
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS, posted=st.booleans())
def test_nothing_that_is_asked_is_an_error_of_the_server(
    path: str, posted: bool, port: int, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    reply, _ = ask(port, path, as_file(photo) if posted else None)
    assert reply.status < 500
    assert guards(reply) == GUARDED


def test_bad_input_gets_a_sentence(port: int, photo: np.ndarray, as_file: Callable[..., bytes]) -> None:
    for path, body, words in (
        ("/answer", b"nonsense", "not a picture that can be read"),
        ("/answer", bytes(21 * 2**20), "more than 20 MiB"),
        ("/answer?layers=-1", as_file(photo), "layers is '-1', expected a number"),
        ("/answer?layers=1&to=0&source=0", as_file(photo), "expected two of 0 to 1"),
        ("/answer?tasks=dept", as_file(photo), "unknown task 'dept', did you mean 'depth'?"),
        ("/answer?tasks=depth,depth", as_file(photo), "task 'depth' is named twice"),
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


def test_only_so_many_photos_are_taken_in_before_their_turn(
    exhibit: Exhibit, serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = [0], [0]

    async def slow(request: Request, limit: int, asked: float) -> bytes:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        await asyncio.sleep(0.05)
        inside[0] -= 1
        return await read_body(request, limit, asked)

    monkeypatch.setattr("afanet.demo.server.MOST_UPLOADS", 2)
    monkeypatch.setattr("afanet.demo.server.read_body", slow)
    with serving(exhibit) as url, ThreadPoolExecutor(6) as people:
        replies = [people.submit(ask, int(urlsplit(url).port or 0), "/answer", b"none") for _ in range(6)]
        assert [reply.result()[0].status for reply in replies] == [422] * 6
    assert most == [2]


def test_a_photo_is_gone_once_it_is_answered(
    port: int, photo: np.ndarray, as_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[weakref.ref[np.ndarray]] = []

    def read(content: bytes) -> np.ndarray:
        assert [one for one in unpacked if one() is not None] == []
        fresh = photo.copy()
        unpacked.append(weakref.ref(fresh))
        return fresh

    monkeypatch.setattr("afanet.demo.server.read_upload", read)
    with ThreadPoolExecutor(3) as people:
        replies = [people.submit(ask, port, "/answer", as_file(photo)) for _ in range(3)]
        assert [reply.result()[0].status for reply in replies] == [200, 200, 200]
    assert [one() for one in unpacked] == [None, None, None]


def test_a_page_from_elsewhere_that_points_here_gets_nothing(port: int) -> None:
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1", "[::1", ""):
        assert ask(port, "/about", Host=host)[0].status == 400
    for host in (f"localhost:{port}", "localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "[::1]"):
        assert ask(port, "/about", Host=host)[0].status == 200


def test_the_command_serves_until_it_is_interrupted_whoever_stalls_or_breaks_off(run: Path) -> None:
    upload = b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nX"
    command = [sys.executable, "-m", "afanet", "demo", str(run), "--port", "0"]
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell starts behind it may ignore this one
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=listens, **pipes) as process, ExitStack() as until_the_end:
        until_the_end.callback(process.kill)
        assert process.stdout is not None
        told = re.fullmatch(
            rf"{run} can be tried at http://127\.0\.0\.1:(\d+); Ctrl-C ends it\n", process.stdout.readline()
        )
        assert told is not None
        here = ("127.0.0.1", int(told[1]))
        for sent in (
            upload,
            b"\x16\x03\x01\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
        ):
            with socket.create_connection(here) as broken_off:
                broken_off.sendall(sent)
        for sent in (b"", b"GET / HTTP", upload):
            until_the_end.enter_context(socket.create_connection(here)).sendall(sent)
        assert json.loads(ask(here[1], "/about")[1])["method"] == "afa"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20) == ("", "")  # 1 s for the stalled, and a machine that is busy
        assert process.returncode == 130


def test_a_public_page_answers_to_its_names_alone(exhibit: Exhibit, serving: Callable[..., Any]) -> None:
    with serving(exhibit, find_address("0.0.0.0", ["Photos.example"])) as url:
        port = urlsplit(url).port
        assert port is not None
        for host in ("evil.example", f"evil.example:{port}", "10.9.8.7", "photos.example.evil.example"):
            reply, content = ask(port, "/about", Host=host)
            assert (reply.status, guards(reply)) == (400, GUARDED)
            assert "start it with --public NAME to add one" in json.loads(content)["error"]
        for host, here in (("localhost", True), (f"photos.Example:{port}", False), (socket.gethostname(), False)):
            reply, content = ask(port, "/about", Host=host)
            assert (reply.status, json.loads(content)["here"]) == (200, here)


def test_an_address_that_cannot_be_had_is_said(run: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, words in (
        (["--port", str(port)], f"at 127.0.0.1:{port} (Address already in use): give another --port"),
        (["--port", "99999"], "give another --port"),
        (
            ["--host", "192.0.2.1", "--public"],
            "give another --host",
        ),  # an address for documentation
    ):
        assert main(["demo", str(run), *flags]) == 2
        assert words in capsys.readouterr().err
    assert main(["demo", str(run.parent / "none")]) == 2
    assert "none is not a run folder" in capsys.readouterr().err
