"""Time limits of the page's server: for a request's header, for a photo, and for the client to read an answer."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT as HELD
from uvicorn.protocols.http.h11_impl import H11Protocol

from afanet.demo.guard import GUARDED

ASKING = 10.0  # seconds until the header is complete, or until the client reads more of an answer
STALLED = 10.0  # seconds until more of a photo must arrive
SLOWEST = 64 * 2**10  # bytes per second, on average over a photo
MOST_UPLOADS = 16  # photos held as files while they wait for their turn: 320 MiB at 20 MiB each
MOST_OPEN = 200  # connections; on some systems a process may open no more than 256 files


class Connection(H11Protocol):
    """A connection that is dropped if the client keeps the server waiting, or if too many are open and it is the
    longest idle.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request, and drop the longest idle connection if too many are open."""
        super().connection_made(transport)
        self._update_timer()
        if len(self.connections) > MOST_OPEN:
            idle = {
                connection._timer: connection
                for connection in self.connections
                if isinstance(connection, Connection) and connection._timer
            }
            idle[min(idle, key=asyncio.TimerHandle.when)]._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._stop()

    def data_received(self, data: bytes) -> None:
        """Stop waiting if the header is now complete."""
        super().data_received(data)
        self._update_timer()

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        super().on_response_complete()
        self._update_timer()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP, unless an answer has begun."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.abort()
            return
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close", **GUARDED}
        lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", msg]
        self.transport.write("\r\n".join(lines).encode())
        self.transport.close()

    def _awaited(self) -> bool:
        """Whether the server waits for the client: for a whole request, or for its answer to be read."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    def _update_timer(self) -> None:
        if not self._awaited():
            self._stop()
        elif self._timer is None:
            unread = self.transport.get_write_buffer_size()
            self._timer = self.loop.call_later(ASKING, self._overdue, unread)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self._stop()
        self.transport.abort()

    def _overdue(self, unread: int) -> None:
        self._timer = None
        if self._awaited() and not 0 < self.transport.get_write_buffer_size() < unread:
            self._drop()
        else:
            self._update_timer()


async def read_body(request: Request, most: int, asked: float) -> bytes:
    """The body of a request, cut off soon after `most` bytes; `asked` is when its header arrived.

    Raises `TimeoutError` if the body stops arriving or arrives too slowly.
    """
    now = asyncio.get_running_loop().time
    began, content = now(), bytearray()
    # While a client waits for a slot it can send `HELD` bytes. If it sent fewer, the wait counts against it. Bytes that
    # have arrived are read even after the deadline.
    async with asyncio.timeout_at(asked + STALLED) as deadline:
        async for part in request.stream():
            content += part
            if len(content) > most:
                break
            credited = min(now(), began + len(content) / SLOWEST) if len(content) >= HELD else asked
            deadline.reschedule(credited + STALLED)
    return bytes(content)
