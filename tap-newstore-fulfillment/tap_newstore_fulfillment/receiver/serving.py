"""Serves the webhook over HTTP, to connections of which any may be idle, slow or a stranger's."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import signal
import sys
import time
import typing as t

import uvicorn

from tap_newstore_fulfillment.receiver.often_said import OftenSaid
from tap_newstore_fulfillment.receiver.open_connections import OpenConnections, most_connections
from tap_newstore_fulfillment.receiver.plain_http import PlainHttp

if t.TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from starlette.applications import Starlette

logger = logging.getLogger("newstore-event-receiver")

#: How long whole requests may take when the receiver is stopped: less than the store may be locked.
GRACEFUL_SHUTDOWN_SECONDS = 5
SWITCH_SECONDS = 0.0002


class AcceptFailures:
    """Handles what an event loop could not: that no connection can be accepted is said once a minute.

    A loop says it thousands of times a second, with a traceback each.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._often = OftenSaid(clock)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, t.Any]) -> None:
        """Log a failure, or count it."""
        if "socket.accept()" not in context["message"]:
            loop.default_exception_handler(context)
            return
        why = getattr(context.get("exception"), "strerror", None) or context["message"]
        self._often.say(logger, logging.ERROR, "Connections cannot be accepted: %s", why)


class ReceiverServer(uvicorn.Server):
    """uvicorn, with a loop that fails quietly; it may be told to end before it has begun."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, unless it has been told to end."""
        if self.should_exit:
            return
        asyncio.get_running_loop().set_exception_handler(AcceptFailures())
        await super().startup(sockets)


def serving_config(app: Starlette, connections: OpenConnections) -> uvicorn.Config:
    """Return uvicorn's configuration."""
    return uvicorn.Config(
        app,
        http=t.cast("type[asyncio.Protocol]", functools.partial(PlainHttp, connections, OftenSaid())),
        ws="none",
        log_config=None,
        access_log=False,
        callback_notify=connections.close_slow,
        timeout_notify=0,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )


def end_well_on_sigterm() -> None:
    """Let SIGTERM end this process with 0, before it serves and after: a service that was stopped has not failed."""
    signal.signal(signal.SIGTERM, _end)


def serve(app: Starlette, listeners: Sequence[socket.socket]) -> None:
    """Serve until the process is told to end."""
    config = serving_config(app, OpenConnections(most=most_connections()))
    # The committing thread must not wait long for the GIL while the event loop is busy.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Imported code stays: a garbage collection that scans it all would delay answers by 50 ms.
    gc.collect()
    gc.freeze()
    server = ReceiverServer(config)
    # Ended in the middle of making its loop, a process would leave a traceback.
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        server.run(sockets=list(listeners))
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_number: int, _frame: object) -> t.NoReturn:
    raise SystemExit(0)
