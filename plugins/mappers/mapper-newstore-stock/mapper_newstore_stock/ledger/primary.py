"""Of a cluster of PostgreSQL, the server that takes writes: a ledger is written there."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import sqlalchemy as sa

POSTGRESQL = "postgresql"
SESSION = "target_session_attrs"
#: Of several servers one that is gone may not hold up a run: seconds to connect and of silence, and milliseconds until
#: what was sent is received.
PRESENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
READ_ONLY = "25006"
#: What libpq says of a server that target_session_attrs leaves out.
NOT_THE_PRIMARY = ("session is read-only", "server is in hot standby mode")
STANDBY = "no server there takes writes: what answers is a standby, or read-only"


def writable(url: sa.URL) -> sa.URL:
    """Return a URL that leads to the server that takes writes, if it names several and does not say which."""
    is_open = is_cluster(url) and SESSION not in url.query
    return url.update_query_dict({SESSION: "read-write"}) if is_open else url


def presence(url: sa.URL) -> dict[str, int]:
    """Return what a connection to one of several servers waits for; a single server keeps the driver's defaults."""
    return {name: value for name, value in PRESENCE.items() if name not in url.query} if is_cluster(url) else {}


def is_cluster(url: sa.URL) -> bool:
    """Return whether a URL speaks of several servers, of which one takes writes."""
    hosts = url.query.get("host", "")
    is_one = isinstance(hosts, str) and "," not in hosts
    return url.get_backend_name() == POSTGRESQL and (SESSION in url.query or not is_one)


def is_read_only(error: Exception) -> bool:
    """Return whether an error says that the server takes no writes."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None) == READ_ONLY or any(text in str(cause) for text in NOT_THE_PRIMARY)
