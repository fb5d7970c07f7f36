"""Posts over many connections from one thread, with as little work as possible.

Load generator and server share the machine, so the generator's own work slows the server.
"""

from __future__ import annotations

import selectors
import socket
import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

RECEIVED_BYTES = 65536
OK = b"HTTP/1.1 200"


class _Connection:
    """One connection with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._answer = b""

    def send(self, request: bytes, due: float) -> None:
        self.due = due
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what has arrived; return whether the answer is complete."""
        self._answer += self.socket.recv(RECEIVED_BYTES)
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if found and not head.startswith(OK):
            raise RuntimeError(head.decode())
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split()[0]):
            return False
        self._answer = b""
        return True


def post(
    address: tuple[str, int], requests: Sequence[bytes], *, connections: int, per_second: float | None
) -> list[float]:
    """Send requests and return the seconds each answer took.

    Args:
        address: Host and port.
        requests: Whole HTTP requests.
        connections: How many are open at once, one request on each at a time.
        per_second: How many requests become due per second (None: each as soon as a connection
            is free). Latency counts from when the request was due.
    """
    selector = selectors.DefaultSelector()
    idle = [_Connection(address) for _ in range(connections)]
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    latencies: list[float] = []
    begun, sent = time.perf_counter(), 0
    while len(latencies) < len(requests):
        now = time.perf_counter()
        while idle and sent < len(requests):
            due = now if per_second is None else begun + sent / per_second
            if due > now:
                break
            idle.pop().send(requests[sent], due)
            sent += 1
        pause = None
        if per_second is not None and idle and sent < len(requests):
            pause = max(begun + sent / per_second - time.perf_counter(), 0.0)
        for key, _ in selector.select(pause):
            if key.data.is_answered():
                latencies.append(time.perf_counter() - key.data.due)
                idle.append(key.data)
    for connection in idle:
        connection.socket.close()
    selector.close()
    return latencies
