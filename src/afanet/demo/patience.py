"""How long the page's server waits for a client: for a header, for a photo, and for an answer to be read."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT as HELD
from uvicorn.protocols.http.h11_impl import H11Protocol

from afanet.demo.guard import GUARDED

ASKING = 10.0  # seconds for a whole header, and until some of an answer is read
STALLED = 10.0  # seconds within which some of a photo must arrive
SLOWEST = 64 * 2**10  # bytes a second, over the whole of a photo
MOST_UPLOADS = 16  # photos held as files while they wait for their turn: 320 MiB at 20 MiB each
MOST_OPEN = 200  # connections; a process may have no more than 256 files on some systems


class Connection(H11Protocol):
    """A connection that is dropped if it keeps the server waiting, or if it is the longest idle of too many."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its first request."""
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
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop()

    def data_received(self, data: bytes) -> None:
        """Wait no longer if this is the end of a header."""
        super().data_received(data)
        self._update_timer()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
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
        """Whether the client is due: the server has no whole request, or its answer is not read."""
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
    """The body of a request, hardly more than `most` bytes of it; `asked` is the time of its header.

    Raises `TimeoutError` if it stalls or trickles.
    """
    now = asyncio.get_running_loop().time
    began, content = now(), bytearray()
    # A client that waits for a slot can send `HELD` bytes meanwhile; with fewer, it gets no credit for the wait. Bytes
    # that have arrived are read even if the deadline has passed.
    async with asyncio.timeout_at(asked + STALLED) as deadline:
        async for part in request.stream():
            content += part
            if len(content) > most:
                break
            credited = min(now(), began + len(content) / SLOWEST) if len(content) >= HELD else asked
            deadline.reschedule(credited + STALLED)
    return bytes(content)
