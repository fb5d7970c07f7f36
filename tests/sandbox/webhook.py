"""A webhook that takes deliveries and answers as a test tells it to."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class Webhook(http.server.ThreadingHTTPServer):
    """Takes deliveries; answers the next of `statuses`, else 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/events"
        self.statuses: list[int] = []
        self.retry_after: str | None = None
        self.bodies: list[dict[str, t.Any]] = []
        self.keys: set[str | None] = set()

    @property
    def timestamps(self) -> list[int]:
        return [body["payload"]["logical_timestamp"] for body in self.bodies]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.add(self.headers["Authorization"])
        self.server.bodies.append(body)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status != 200 and self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@contextlib.contextmanager
def serving() -> Iterator[Webhook]:
    """Yield a webhook that serves."""
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
