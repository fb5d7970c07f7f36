"""The receiver's open connections: how many there may be, and how long each may take for a request.

Whoever can reach the door can open connections and send nothing, or a byte now and then. They must not keep
NewStore's events out.
"""

from __future__ import annotations

import contextlib
import itertools
import resource
import time
import typing as t

REQUEST_SECONDS = 30.0
MOST_CONNECTIONS = 10_000
#: Of requests under way, whole or not, on all connections together: some tens of the largest bodies.
MOST_BYTES = 256 * 2**20
#: Files this process opens beside connections: the store's, the log, libraries.
OTHER_FILES = 100


class Connection(t.Protocol):
    """A connection that can be given up."""

    @property
    def held(self) -> int:
        """How many bytes of requests it holds."""

    def give_up(self) -> None:
        """Close it at once, whatever was under way."""


class OpenConnections:
    """Gives up connections that do not come to the point.

    A connection waits from when it is opened, or answered, until a whole request has come; while more requests
    are queued behind it, from the last answer; and while answers are not taken, or the last has not left.

    Args:
        most: How many may be open; beyond it the one that has waited longest is closed.
        seconds: How long each may wait.
        most_bytes: How much of requests under way they may hold together; beyond it, too, the longest waiting goes.
    """

    def __init__(self, *, most: int, seconds: float = REQUEST_SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._bytes = 0
        #: Since when each waits, the longest first.
        self._waiting: dict[Connection, float] = {}

    def opened(self, connection: Connection, now_open: int) -> None:
        """Note a new connection; it is one of so many that are open."""
        self.waits(connection)
        if now_open > self._most:
            next(iter(self._waiting)).give_up()

    def waits(self, connection: Connection) -> None:
        """Note that it is the other side's turn."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = time.monotonic()

    def is_served(self, connection: Connection) -> None:
        """Note that a whole request has come, or the connection is gone."""
        self._waiting.pop(connection, None)

    def is_waiting(self, connection: Connection) -> bool:
        """Return whether it is the other side's turn."""
        return connection in self._waiting

    def hold(self, connection: Connection, more: int) -> bool:
        """Note that a connection holds more bytes of a request, or fewer; return whether there is room for them.

        Room is made by giving up connections that wait, as far as that makes any, and not for one that would need
        more than there is.
        """
        self._bytes += more
        while more > 0 and self._bytes > self._most_bytes:
            others = (other for other in self._waiting if other is not connection and other.held)
            longest = None if connection.held > self._most_bytes else next(others, None)
            if longest is None:
                return False
            longest.give_up()
        return True

    async def close_slow(self) -> None:
        """Close what has waited too long."""
        oldest = time.monotonic() - self._seconds
        for connection, _ in list(itertools.takewhile(lambda entry: entry[1] < oldest, self._waiting.items())):
            connection.give_up()


def most_connections() -> int:
    """Raise this process's limit of open files as far as it needs and may, and return how many may be connections."""
    limit, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if limit != resource.RLIM_INFINITY and limit < wanted:
        raised = wanted if highest == resource.RLIM_INFINITY else min(wanted, highest)
        # A kernel may allow less than it says (macOS: kern.maxfilesperproc).
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, highest))
            limit = raised
    return MOST_CONNECTIONS if limit == resource.RLIM_INFINITY else max(min(MOST_CONNECTIONS, limit - OTHER_FILES), 1)
