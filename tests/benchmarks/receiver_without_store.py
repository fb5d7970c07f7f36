"""A baseline: the receiver's application with a store that keeps nothing."""

from __future__ import annotations

import collections
import socket
import typing as t

import uvicorn
from tap_newstore_fulfillment.receiver.app import create_app

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent


class NoStore:
    """Accepts everything and keeps nothing."""

    def add(self, events: Sequence[FulfillmentEvent]) -> collections.Counter[str]:
        return collections.Counter(event.event_name for event in events)

    def in_loop(self) -> None:
        return None

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        del body, path, reason, received_at

    def check(self) -> None:
        return None


def main() -> None:
    """Serve on a free port until stopped."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("listening on http://{}:{}".format(*listener.getsockname()), flush=True)
    uvicorn.Server(uvicorn.Config(create_app(NoStore(), ()), log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
