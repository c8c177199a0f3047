"""How long the page's server waits for those who ask: for a header, for a photo, and for an answer to be read."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT as HELD
from uvicorn.protocols.http.h11_impl import H11Protocol

from afanet.demo.guard import GUARDED

ASKING = 10.0  # seconds for a whole header, and for some of an answer to be read
STALLED = 10.0  # seconds in which some of a photo must come
SLOWEST = 64 * 2**10  # bytes a second, over the whole of a photo
MOST_UPLOADS = 16  # photos held as files while they wait for their turn: of 20 MiB, 320 MiB
MOST_OPEN = 200  # connections; a process may have no more than 256 files on some systems


class Connection(H11Protocol):
    """A connection that is cut off when it keeps the server waiting, or is the longest idle of too many."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its first request."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > MOST_OPEN:
            idle = {one._timer: one for one in self.connections if isinstance(one, Connection) and one._timer}
            idle[min(idle, key=asyncio.TimerHandle.when)]._drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        super().connection_lost(exc)
        self._stop()

    def data_received(self, data: bytes) -> None:
        """Wait no longer if this is the end of a header."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless it follows an answer."""
        if self.cycle is not None and self.cycle.response_started:
            self.transport.abort()
            return
        headers = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close", **GUARDED}
        lines = ["HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", msg]
        self.transport.write("\r\n".join(lines).encode())
        self.transport.close()

    def _awaited(self) -> bool:
        """Whether it is not the server's turn: it has no whole request, or answers that nobody reads."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    def _watch(self) -> None:
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
            self._watch()


async def read_body(request: Request, most: int, asked: float) -> bytes:
    """What was sent, of which hardly more than `most` bytes are ever held; `asked` is when it was announced.

    Raises `TimeoutError` if it stalls or trickles.
    """
    now = asyncio.get_running_loop().time
    began, content = now(), bytearray()
    # Who waits for a place can send `HELD` bytes meanwhile, and whoever has not done so is as slow as anybody. What
    # came is read even when the deadline has passed.
    async with asyncio.timeout_at(asked + STALLED) as deadline:
        async for part in request.stream():
            content += part
            if len(content) > most:
                break
            came = min(now(), began + len(content) / SLOWEST) if len(content) >= HELD else asked
            deadline.reschedule(came + STALLED)
    return bytes(content)
