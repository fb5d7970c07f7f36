"""A server whose answers are bytes a test chooses, right or wrong: another NewStore, a proxy, an attacker."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = b'{"access_token": "t", "expires_in": 300}'


class Request(t.NamedTuple):
    """A request as it came."""

    line: str
    head: str
    body: bytes


class ScriptedHttp(socketserver.ThreadingTCPServer):
    """Answers each path with the bytes in `answers`, and `/token` with a token unless a test says otherwise.

    Attributes:
        byte_seconds: Pause after each byte of an answer, by path.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.answers = {"/token": answer(200, TOKEN)}
        self.byte_seconds: dict[str, float] = {}
        self.requests: list[Request] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def settings(self) -> dict[str, str]:
        """Settings that have a plugin take this server for NewStore."""
        secrets = {"client_id": "c", "client_secret": "hush-hush"}
        return {"tenant": "demo", **secrets, "api_url": self.url, "auth_url": f"{self.url}/token"}

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: who called may have hung up."""

    @contextlib.contextmanager
    def serving(self) -> Iterator[ScriptedHttp]:
        with self:
            thread = threading.Thread(target=self.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()


class _Connection(socketserver.StreamRequestHandler):
    server: ScriptedHttp

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        lines = list(iter(self.rfile.readline, b"\r\n"))
        head = b"".join(lines).decode()
        sizes = [int(each.split(b":")[1]) for each in lines if each.lower().startswith(b"content-length")]
        self.server.requests.append(Request(line.strip(), head, self.rfile.read(sum(sizes))))
        path = line.split()[1]
        bytes_ = self.server.answers[path]
        pause = self.server.byte_seconds.get(path)
        if not pause:
            self.wfile.write(bytes_)
            return
        for byte in bytes_:
            self.wfile.write(bytes([byte]))
            time.sleep(pause)


def answer(status: int, body: bytes = b"{}", **headers: str) -> bytes:
    """Return an answer's bytes; `_` in a header's name stands for `-`."""
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
