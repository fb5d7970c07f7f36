"""Which database a URL names.

A cluster of PostgreSQL is named by all its servers, as libpq does: `postgresql://a:5432,b:5433/db`. A ledger is
written on the one that takes writes.
"""

from __future__ import annotations

import re
import urllib.parse

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
#: User and password as SQLAlchemy reads them, then hosts with commas.
SEVERAL_HOSTS = re.compile(r"(?P<before>postgres\w*(?:\+\w+)?://(?:[^:/]*(?::[^@]*)?@)?+)(?P<hosts>[^/?@]*,[^/?@]*)")
#: One host with its port: `a`, `a:5432`, `[::1]:5432`.
HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:\[\]@]*))(?::(?P<port>\d*))?")
READ_ONLY = "25006"
#: What libpq says of a server that target_session_attrs leaves out.
NOT_THE_PRIMARY = ("session is read-only", "server is in hot standby mode")
STANDBY = "no server there takes writes: what answers is a standby, or read-only"


def address(url: str) -> sa.URL:
    """Return a URL with its driver and all its hosts; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no URL; the text shows none of it.
    """
    several = SEVERAL_HOSTS.match(url)
    try:
        parsed = sa.make_url(several["before"] + url[several.end() :] if several else url)
    except ValueError as error:
        raise _no_url() from error
    if "@" in (parsed.host or ""):
        raise _no_url()
    if several:
        parsed = parsed.update_query_dict(_hosts(several["hosts"]))
    if parsed.drivername in ("postgres", POSTGRESQL):
        parsed = parsed.set(drivername=f"{POSTGRESQL}+psycopg")
    return parsed


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


def _hosts(text: str) -> dict[str, str]:
    """Return hosts with commas between them as the parameters `host` and `port` of libpq.

    Raises:
        sqlalchemy.exc.ArgumentError: one of them is no host.
    """
    found = [HOST.fullmatch(one) for one in text.split(",")]
    names = [one and urllib.parse.unquote(one["bracketed"] or one["plain"] or "") for one in found]
    if not all(names):
        raise _no_url()
    ports = [(one and one["port"]) or "" for one in found]
    return {"host": ",".join(filter(None, names)), **({"port": ",".join(ports)} if any(ports) else {})}


def _no_url() -> sa.exc.ArgumentError:
    return sa.exc.ArgumentError(
        "not a database's URL: expected such as postgresql://user:password@host:5432,other:5432/database, where "
        "@ : / ? and % in a password are written as %40 %3A %2F %3F and %25"
    )
