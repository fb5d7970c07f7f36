"""Which database a URL names: one server, or a cluster as libpq names it: `postgresql://a:5432,b:5433/db`."""

from __future__ import annotations

import re
import urllib.parse

import sqlalchemy as sa

#: User and password as SQLAlchemy reads them, then hosts with commas.
SEVERAL_HOSTS = re.compile(r"(?P<before>postgres\w*(?:\+\w+)?://(?:[^:/]*(?::[^@]*)?@)?+)(?P<hosts>[^/?@]*,[^/?@]*)")
#: A parameter with `@`, up to which all behind the host would pass for a password: `host:5432/db?password=a@b`.
AT_IN_PARAMETER = re.compile(r"[^/]*://[^/?#@]*(?::\d*|\])/[^?@]*\?[^@]*=[^@]*@")
#: One host with its port: `a`, `a:5432`, `[::1]:5432`.
HOST = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<plain>[^:\[\]@]*))(?::(?P<port>\d*))?")


def address(url: str) -> sa.URL:
    """Return a URL with its driver and all its hosts; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        sqlalchemy.exc.ArgumentError: it is no URL; the text shows none of it.
    """
    if AT_IN_PARAMETER.match(url):
        raise _no_url()
    several = SEVERAL_HOSTS.match(url)
    try:
        parsed = sa.make_url(several["before"] + url[several.end() :] if several else url)
    except ValueError as error:
        raise _no_url() from error
    if "@" in (parsed.host or ""):
        raise _no_url()
    if several:
        parsed = parsed.update_query_dict(_hosts(several["hosts"]))
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


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
        "@ : / ? and % in a password, and @ in a parameter, are written as %40 %3A %2F %3F and %25"
    )
