"""Slow, idle and broken-off clients: nobody holds the page from others, and nothing of them reaches the terminal."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest

from afanet.demo import patience

HEAD = b"GET /about HTTP/1.1\r\nHost: localhost\r\n"
UPLOAD = b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture
def port(served: Callable[[str], str]) -> int:
    found = urlsplit(served("afa")).port
    assert found is not None
    return found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose patience lasts less than a second."""
    monkeypatch.setattr(patience, "ASKING", 0.4)
    monkeypatch.setattr(patience, "STALLED", 0.4)


@contextmanager
def connected(port: int, sent: bytes = b"", many: int = 1) -> Iterator[list[socket.socket]]:
    """So many clients that send so much, and then nothing."""
    with ExitStack() as until_the_end:
        clients = [until_the_end.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(many)]
        for client in clients:
            client.sendall(sent)
        yield clients


def status(port: int, path: str = "/about", body: bytes | None = None) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET" if body is None else "POST", path, body)
    reply = connection.getresponse()
    reply.read()
    return reply.status


def everything(client: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def cut_off(client: socket.socket) -> bool:
    """Whether the server ends it, in seconds in which a byte comes every now and then."""
    for _ in range(80):
        try:
            client.sendall(b"X")
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"\r\n"], ids=["nothing", "half a header", "no next request"])
def test_who_asks_nothing_more_is_cut_off(port: int, quick: None, sent: bytes) -> None:
    with connected(port, sent) as (client,):
        assert everything(client).startswith(b"HTTP/1.1 200 OK" if sent.endswith(b"\r\n\r\n") else b"")


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["first request", "second request"])
def test_a_header_that_comes_byte_by_byte_is_cut_off(port: int, quick: None, before: bytes) -> None:
    with connected(port, before) as (client,):
        assert cut_off(client)


def test_an_upload_that_stalls_gets_a_sentence_and_its_place_goes_to_others(
    port: int, quick: None, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    with connected(port, UPLOAD + b"X", patience.MOST_UPLOADS + 1) as clients:
        assert status(port) == 200
        assert status(port, "/answer", as_file(photo)) == 200
        for client in clients:
            reply = everything(client)
            assert reply.startswith(b"HTTP/1.1 408 ")
            assert b"the photo did not arrive" in reply


def test_however_many_stall_they_hold_up_others_only_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "STALLED", 1.0)
    with connected(port, UPLOAD + b"X", 6 * patience.MOST_UPLOADS):
        began = time.monotonic()
        assert status(port, "/answer", b"none") == 422
        assert time.monotonic() - began < 4  # and not 6


def test_who_waits_for_a_place_is_not_taken_for_slow(port: int, quick: None) -> None:
    sent = bytes(patience.HELD + 1)
    with connected(port, UPLOAD + b"X", patience.MOST_UPLOADS), connected(port) as (client,):
        client.sendall(b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (2 * len(sent)))
        client.sendall(sent)
        time.sleep(0.6)  # longer than anybody may stall, for most of which there is no place
        client.sendall(sent)
        assert client.recv(12) == b"HTTP/1.1 422"


def test_an_upload_that_only_trickles_gets_a_sentence(port: int, quick: None) -> None:
    with connected(port, UPLOAD) as (client,):
        assert cut_off(client)


def test_idle_connections_keep_nobody_out_and_the_longest_idle_goes_first(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "MOST_OPEN", 40)
    with connected(port) as (first,), connected(port, HEAD, 39) as later, connected(port, many=10):
        assert status(port) == 200
        assert everything(first) == b""
        later[-1].sendall(b"\r\n")
        assert later[-1].recv(15) == b"HTTP/1.1 200 OK"


def test_more_photos_at_once_than_are_held_wait_for_their_turn(
    port: int, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    many, file = 3 * patience.MOST_UPLOADS, as_file(photo)
    with ThreadPoolExecutor(many) as people:
        replies = [people.submit(status, port, "/answer", file) for _ in range(many)]
        assert {reply.result() for reply in replies} == {200}


def test_who_does_not_read_the_answers_is_cut_off(port: int, quick: None) -> None:
    asked = 2000
    with connected(port, b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * asked) as (client,):
        time.sleep(1.5)  # while the answers that fit nowhere wait
        assert everything(client).count(b"HTTP/1.1 200 OK") < asked


def test_what_is_no_http_gets_an_answer_that_is_guarded_like_any(port: int) -> None:
    for sent in (b"\x16\x03\x01\x02\r\n\r\n", b"GET /about HTTP/1.1\r\n\r\n", HEAD + b"Host: two\r\n\r\n"):
        with connected(port, sent) as (client,):
            reply = everything(client)
            assert reply.startswith(b"HTTP/1.1 400 ")
            assert b"Cross-Origin-Resource-Policy: same-origin" in reply


def test_what_is_no_http_after_an_answer_is_cut_off(port: int) -> None:
    late = b"GET /about HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(port, late) as (client,):
        assert client.recv(10).startswith(b"HTTP/1.1 2")
        client.sendall(b"this is no chunk\r\n")
        assert b"HTTP/1.1 400" not in everything(client)
