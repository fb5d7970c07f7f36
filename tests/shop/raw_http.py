"""HTTP as bytes over a socket, for what no HTTP client would send."""

from __future__ import annotations

import socket
import typing as t
import urllib.parse

if t.TYPE_CHECKING:
    from collections.abc import Sequence

CALL_SECONDS = 30
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")


class Answer(t.NamedTuple):
    """An answer; without one, the status is 0."""

    status: int
    body: bytes


def post_request(
    body: bytes, *headers: str, path: str = "/events", chunk: int | None = None, key: str | None = None
) -> bytes:
    """Return a whole POST, with a length or in chunks of so many bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", *headers, *([f"Authorization: Bearer {key}"] if key else [])]
    if chunk is None:
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    parts = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + chunks


def send(url: str, request: bytes, *, pieces: Sequence[int] = (), ends: bool = False) -> Answer:
    """Send bytes on a connection of their own and return the answer.

    Args:
        url: Of the server.
        request: What is sent.
        pieces: Where the bytes are cut into packets.
        ends: Close the sending side afterwards, as a sender that dies does.
    """
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), CALL_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = 0
        for cut in [*sorted(pieces), len(request)]:
            connection.sendall(request[begun:cut])
            begun = cut
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer with a Content-Length; nothing but the end of the connection is status 0."""
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            return Answer(int(head.split()[1]), body)
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return Answer(int(head.split()[1]) if found else 0, body)
        received += part


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split()[0]) if found else 0
