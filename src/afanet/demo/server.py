"""The page's server: by default only this machine reaches it, and it keeps nothing that is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from afanet.demo.address import Address, host_name, is_loopback
from afanet.demo.exhibit import Exhibit
from afanet.demo.file_exhibit import FileExhibit
from afanet.demo.guard import Guard, refused
from afanet.demo.patience import MOST_UPLOADS, Connection, read_body
from afanet.demo.upload import MOST_BYTES, read_upload
from afanet.errors import InputError

STATIC = {
    "/": ("demo", "page.html", "text/html"),
    "/page.js": ("demo", "page.js", "text/javascript"),
    "/page.css": ("demo", "page.css", "text/css"),
    "/style.css": ("report", "style.css", "text/css"),  # the design of all pages
}
LEAVING = 1  # seconds to finish answers in progress when the server stops


def create_app(exhibit: Exhibit | FileExhibit, names: Collection[str] = ()) -> Starlette:
    """The page for `exhibit` as an ASGI application.

    It answers only requests whose Host header is the address at which they arrive, another name of a loopback address,
    or one of `names`. So a page from elsewhere that points its own name at this machine gets no answer.
    """
    slots = asyncio.Semaphore(MOST_UPLOADS)
    turn = asyncio.Lock()  # only one unpacked photo at a time is in memory, since it may be large

    async def about(request: Request) -> Response:
        here = is_loopback(host_name(request.headers["host"]))
        return JSONResponse(exhibit.about() | {"here": here})

    def sample(make: Callable[[int], bytes], media_type: str) -> Callable[[Request], Any]:
        async def send(request: Request) -> Response:
            try:
                content = await run_in_threadpool(make, _number("the sample", request.path_params["number"]))
            except InputError as error:
                return refused(str(error), 404)
            return Response(content, media_type=media_type)

        return send

    def look(content: bytes, **asked: Any) -> dict[str, Any]:
        return exhibit.answer(read_upload(content), **asked)  # unpacked in this thread, which keeps no photo

    async def answer(request: Request) -> Response:
        arrived = asyncio.get_running_loop().time()
        try:
            asked = _asked(request.query_params)
            async with slots:
                content = await read_body(request, MOST_BYTES, arrived)
                async with turn:
                    return JSONResponse(await run_in_threadpool(look, content, **asked))
        except InputError as error:
            return refused(str(error), 422)
        except TimeoutError:
            return refused("the photo did not arrive, or too slowly: send it again", 408, Connection="close")

    routes = [Route(path, _static(*file)) for path, file in STATIC.items()]
    routes += [Route("/about", about), Route("/sample/{number}", sample(exhibit.sample, "image/png"))]
    routes += [Route("/array/{number}", sample(exhibit.array, "application/octet-stream"))]
    routes += [Route("/answer", answer, methods=["POST"])]
    return Starlette(routes=routes, middleware=[Middleware(Guard, names=names)])


def configure(exhibit: Exhibit | FileExhibit, names: Collection[str] = ()) -> uvicorn.Config:
    """The server's settings: it drops slow clients, and prints only the page's own messages."""
    return uvicorn.Config(
        create_app(exhibit, names),
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=LEAVING,
    )


def serve(exhibit: Exhibit | FileExhibit, address: Address, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until interrupted, and call `ready` with its URL. Raises `InputError` if the port is taken."""
    with address.listen(port) as listening:
        shown = f"[{address.host}]" if ":" in address.host else address.host
        ready(f"http://{shown}:{listening.getsockname()[1]}")
        uvicorn.Server(configure(exhibit, address.names)).run(sockets=[listening])


def _static(room: str, name: str, kind: str) -> Callable[[Request], Any]:
    content = files("afanet").joinpath(room, name).read_bytes()

    async def send(request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


def _asked(query: Mapping[str, str]) -> dict[str, Any]:
    """What the query asks for a photo: the connection to cut, at how many layers, and the tasks to compute."""
    numbers = {key: _number(key, query.get(key, "0")) for key in ("to", "source", "layers")}
    return numbers | {"tasks": query["tasks"].split(",") if "tasks" in query else None}


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise InputError(f"{name} is '{text:.20}', expected a number")
    return int(text)
