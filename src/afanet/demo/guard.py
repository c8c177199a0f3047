"""The guard of the page: it checks host names, adds headers, and answers every failure with a sentence."""

from __future__ import annotations

import sys
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from afanet.demo.address import answers_to

GUARDED = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Answers only requests that use a name of this machine, and adds the headers in `GUARDED` to every answer."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on or refuse it; a failure gives status 500 with a sentence, and prints a line."""
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(GUARDED)
            await send(message)

        arrived = (scope.get("server") or ("", 0))[0]
        named = answers_to(Headers(scope=scope).get("host", ""), arrived, self.names)
        app = self.app if named else _elsewhere
        try:
            await app(scope, receive, guarded)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            print(f"afanet: error: a request could not be answered: {error!r:.300}", file=sys.stderr, flush=True)
            if begun:
                raise
            await refused(f"this could not be answered ({type(error).__name__}): the terminal says more", 500)(
                scope, receive, guarded
            )


def refused(sentence: str, status: int, **headers: str) -> JSONResponse:
    """An answer that says why the request is refused."""
    return JSONResponse({"error": sentence}, status, headers)


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    sentence = "this page answers only to the names of its own machine: start it with --public NAME to add one"
    await refused(sentence, 400)(scope, receive, send)
