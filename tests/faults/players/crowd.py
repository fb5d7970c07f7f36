"""Connections nobody needs: a balancer's that stay idle, and senders that take for ever. Closed, they come again."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
import typing as t
import urllib.parse

if t.TYPE_CHECKING:
    from collections.abc import Coroutine

SECONDS_BETWEEN_BYTES = 1.0
#: Before a connection that was closed comes again.
PAUSE_SECONDS = 0.5
BEGINNING = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


class Crowd:
    """Keeps connections open while the block runs.

    Attributes:
        opened: How often a connection was opened.
        open: How many are open.

    Args:
        url: Of the server.
        idle: How many send nothing.
        slow: How many send a byte now and then.
    """

    def __init__(self, url: str, *, idle: int, slow: int) -> None:
        parts = urllib.parse.urlsplit(url)
        self._address = str(parts.hostname), int(parts.port or 0)
        self._idle, self._slow = idle, slow
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._come(),))
        self.opened = self.open = 0
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, idle + slow + 1000), most))

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    async def _come(self) -> None:
        kinds = [self._wait] * self._idle + [self._dribble] * self._slow
        coming = [asyncio.create_task(self._again_and_again(kind)) for kind in kinds]
        await self._ended.wait()
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def _again_and_again(
        self, stay: t.Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[t.Any, t.Any, None]]
    ) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*self._address)
                self.opened += 1
                self.open += 1
                try:
                    await stay(reader, writer)
                finally:
                    self.open -= 1
                    writer.close()
            await asyncio.sleep(PAUSE_SECONDS)

    @staticmethod
    async def _wait(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    @staticmethod
    async def _dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in BEGINNING:
            writer.write(bytes([byte]))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), SECONDS_BETWEEN_BYTES)
                return
