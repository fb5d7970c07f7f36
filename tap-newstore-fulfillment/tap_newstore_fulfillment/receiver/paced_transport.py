"""When a connection writes, and when it reads on."""

from __future__ import annotations

import typing as t

from uvicorn.protocols.http.flow_control import FlowControl

if t.TYPE_CHECKING:
    import asyncio
    from collections.abc import Sized


class JoinedWrites:
    """A connection's transport that sends in one piece what is written in one turn of the event loop.

    Head and body of an answer are two writes. Each would cost a call of the system, and a wait for the GIL after it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        # Asked for with every request; what is looked up below costs an exception.
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes at the end of this turn."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def close(self) -> None:
        """Send what was written, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        written, self._written = self._written, []
        if written:
            self._transport.write(b"".join(written))


class QueueFirst(FlowControl):
    """Reads no further while requests are queued: each takes much more memory than its bytes."""

    def __init__(self, transport: asyncio.Transport, queued: Sized) -> None:
        super().__init__(transport)
        self._queued = queued

    def resume_reading(self) -> None:
        """Read on, unless a request is queued."""
        if not self._queued:
            super().resume_reading()
