"""The page's server: on this machine alone unless told otherwise, and nothing that is sent is kept."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
from collections.abc import Callable
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from afanet.demo.exhibit import Exhibit
from afanet.demo.upload import MOST_BYTES, read_upload
from afanet.errors import InputError

STATIC = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
MOST_AT_ONCE = 32  # connections, each of which may hold an upload
GUARDED = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(exhibit: Exhibit, host: str = "127.0.0.1") -> Starlette:
    """The page for `exhibit` as an ASGI application.

    On a loopback address it answers only to that address's names, so that a page from elsewhere that gives itself
    this machine's address gets nothing.
    """

    async def about(request: Request) -> Response:
        return JSONResponse(exhibit.about() | {"here": here(host)}, headers=GUARDED)

    turn = asyncio.Lock()  # an unpacked photo may be large: one at a time is in memory

    async def sample(request: Request) -> Response:
        try:
            content = await run_in_threadpool(exhibit.sample, request.path_params["number"])
        except InputError as error:
            return _refused(error, 404)
        return Response(content, media_type="image/png", headers=GUARDED)

    async def answer(request: Request) -> Response:
        try:
            asked = {key: _number(request, key) for key in ("to", "source", "layers")}
            content = await _body(request)
            async with turn:
                photo = await run_in_threadpool(read_upload, content)
                told = await run_in_threadpool(exhibit.answer, photo, **asked)
            return JSONResponse(told, headers=GUARDED)
        except InputError as error:
            return _refused(error, 422)

    routes = [Route(path, _static(*file)) for path, file in STATIC.items()]
    routes += [Route("/about", about), Route("/sample/{number:int}", sample)]
    routes += [Route("/answer", answer, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(NamedHere)] if here(host) else [])


class NamedHere:
    """Answers only what is asked of this machine by a name of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, or refuse."""
        asked = Headers(scope=scope).get("host", "")
        if here(asked.rpartition(":")[0] if re.search(r":\d+$", asked) else asked):
            await self.app(scope, receive, send)
        else:
            await _refused(InputError("this page answers only at this machine's own address"), 400)(
                scope, receive, send
            )


def here(host: str) -> bool:
    """Whether it is a loopback address, or its name.

    >>> [here(host) for host in ("localhost", "127.0.0.1", "[::1]", "::1", "0.0.0.0", "elsewhere.example")]
    [True, True, True, True, False, False]
    """
    try:
        return host.lower() == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def serve(exhibit: Exhibit, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until interrupted; `ready` is told its address. Raises `InputError` for a port that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            elsewhere = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
            flag = "--host" if elsewhere else "--port"
            raise InputError(f"the page cannot be served at {host}:{port} ({reason}): give another {flag}") from None
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            create_app(exhibit, host),
            log_level="warning",
            lifespan="off",
            server_header=False,
            limit_concurrency=MOST_AT_ONCE,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _static(name: str, kind: str) -> Callable[[Request], Any]:
    content = files("afanet.demo").joinpath(name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind, headers=GUARDED)

    return send


async def _body(request: Request) -> bytes:
    """What was sent, of which no more than the limit is ever held."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            break
    return bytes(content)


def _number(request: Request, key: str) -> int:
    text = request.query_params.get(key, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise InputError(f"{key} is '{text:.20}', expected a number")
    return int(text)


def _refused(error: InputError, status: int) -> Response:
    return JSONResponse({"error": str(error)}, status, headers=GUARDED)
