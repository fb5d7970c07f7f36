"""A proxy in front of the receiver that answers 200 and forgets what it was told to forget."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
import urllib.parse

import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable

CALL_SECONDS = 60


class ForgetfulProxy(http.server.ThreadingHTTPServer):
    """Passes posts on to a receiver. Use it in a `with` block.

    Attributes:
        forgets: Called with a delivery's logical timestamp, and whether it is an audit's; True: nobody gets it.
    """

    daemon_threads = True

    def __init__(self, receiver_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receiver_url = receiver_url
        self.events_url = f"http://127.0.0.1:{self.server_port}/events"
        self.forgets: Callable[[int, bool], bool] = lambda _at, _is_audit: False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ForgetfulProxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_audit = "audit=" in urllib.parse.urlsplit(self.path).query
        status = 200
        if not self.server.forgets(json.loads(body)["payload"]["logical_timestamp"], is_audit):
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            url = self.server.receiver_url + self.path
            status = requests.post(url, data=body, headers=headers, timeout=CALL_SECONDS).status_code
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
