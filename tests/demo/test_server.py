"""The server over a real socket: what it sends, refuses and never does."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from afanet.cli.main import main
from afanet.demo import Exhibit, create_app


@pytest.fixture(scope="module")
def port(exhibit: Exhibit) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(create_app(exhibit), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET" if body is None else "POST", path, body, headers)
    reply = connection.getresponse()
    return reply, reply.read()


def test_the_page_comes_with_a_policy_that_lets_nothing_in_from_elsewhere(port: int) -> None:
    for path, kind in {"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"}.items():
        reply, content = ask(port, path)
        assert (reply.status, reply.headers.get_content_type()) == (200, kind)
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; ")
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


def test_a_page_from_elsewhere_that_points_here_gets_nothing(port: int) -> None:
    assert ask(port, "/about", Host="evil.example")[0].status == 400
    assert ask(port, "/about", Host=f"localhost:{port}")[0].status == 200


def test_a_port_that_is_taken_is_said(run: Path, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", str(run), "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"the page cannot be served at 127.0.0.1:{port} (Address already in use): give another --port" in said
    assert main(["demo", str(run), "--port", "99999"]) == 2
    assert "give another --port" in capsys.readouterr().err
