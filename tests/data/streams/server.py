"""A web server on loopback for a folder, in which faults are injected by the name of the file."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Fault = Callable[[BaseHTTPRequestHandler, bytes], None]


class Served:
    """The folder at `url`; `faults` has for a name what is answered instead, one after another; `asked` counts."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.asked: dict[str, int] = defaultdict(int)


def late(seconds: float) -> Fault:
    """Answers as it should, but after a while."""

    def answer(request: BaseHTTPRequestHandler, content: bytes) -> None:
        time.sleep(seconds)
        whole(request, content)

    return answer


def cut(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half the file, as if that were all."""
    whole(request, content[: len(content) // 2])


def torn(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """Half the file, and then the connection is closed."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])


def status(code: int) -> Fault:
    """An error of this number."""
    return lambda request, content: request.send_error(code)


def whole(request: BaseHTTPRequestHandler, content: bytes) -> None:
    """The file as it is."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Serve a folder while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            served.asked[name] += 1
            file = folder / name
            faults = served.faults[name]
            answer = faults.pop(0) if faults else whole if file.is_file() else status(404)
            with suppress(BrokenPipeError, ConnectionResetError):  # the reader has lost patience
                answer(self, file.read_bytes() if file.is_file() else b"")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = Served(folder, f"http://127.0.0.1:{server.server_port}/rooms")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
