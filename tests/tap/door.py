"""The receiver's door in this process, with limits of a test's own."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.app import create_app
from tap_newstore_fulfillment.receiver.open_connections import OpenConnections
from tap_newstore_fulfillment.receiver.serving import ReceiverServer, serving_config

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "a-key"


@contextlib.contextmanager
def a_door(directory: Path, *, most: int = 100, seconds: float = 60.0, most_bytes: int = 100_000_000) -> Iterator[str]:
    """Serve a landing store in the directory, and yield the URL."""
    store = LandingStore(f"sqlite:///{directory / 'landing.db'}")
    listener = socket.create_server(("127.0.0.1", 0))
    connections = OpenConnections(most=most, seconds=seconds, most_bytes=most_bytes)
    server = ReceiverServer(serving_config(create_app(store, [KEY]), connections))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        store.close()
