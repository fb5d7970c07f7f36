"""Connections to the landing store's database: to which server, and what every session of it needs.

A cluster of PostgreSQL is named by all its servers, as libpq does: `postgresql://a:5432,b:5433/db`. The one that
takes writes is used; connections to one that no longer does are dropped.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.drivers import missing_driver

LOCK_SECONDS = 10
#: For each server that is tried.
CONNECT_SECONDS = 5
#: A server whose machine is gone answers nothing. Seconds of silence, and milliseconds until what was sent is received.
PRESENCE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
SESSION = "target_session_attrs"
READ_ONLY = "25006"
#: SQLite: readers work beside the writer, and a commit returns only when it is on disk.
SQLITE_SESSION = (
    f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
)
#: What libpq says of a server that target_session_attrs leaves out.
NOT_THE_PRIMARY = ("session is read-only", "server is in hot standby mode")
STANDBY = "no server there takes writes: what answers is a standby, or read-only"
#: What to do when it cannot be opened.
OPEN = "Correct landing_url, or start its database"
UNREPLICATED = "has it, and its standby may not: the wait for the standby was cancelled"
#: In a connection's `info`: a commit returned, though no standby has it yet.
NOT_REPLICATED = "newstore: not replicated"


def is_cluster(url: sa.URL) -> bool:
    """Return whether a URL speaks of several servers, of which one takes writes."""
    hosts = url.query.get("host", "")
    return SESSION in url.query or not isinstance(hosts, str) or "," in hosts


def file_of(url: sa.URL) -> tuple[int, int] | None:
    """Return which file on disk a SQLite store is, its device and inode; None: it is no file, or not there."""
    with contextlib.suppress(OSError):
        if url.database and url.get_backend_name() != "postgresql":
            found = pathlib.Path(url.database).stat()
            return found.st_dev, found.st_ino
    return None


def create_engine(url: str, **options: t.Any) -> sa.Engine:
    """Return an engine whose commits are on disk before they return.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, ImportError: the URL or its driver is not usable.
    """
    parsed = address(url)
    if parsed.get_backend_name() != "postgresql":
        engine = sa.create_engine(parsed, **options)
        sa.event.listen(engine, "connect", _make_durable)
        return engine
    defaults: dict[str, t.Any] = {"connect_timeout": CONNECT_SECONDS, **PRESENCE}
    if is_cluster(parsed):
        defaults[SESSION] = "read-write"
    arguments = {name: value for name, value in defaults.items() if name not in parsed.query}
    # A pooled connection may date from before a restart of the server.
    engine = sa.create_engine(parsed, connect_args=arguments, **{"pool_pre_ping": True, **options})
    sa.event.listen(engine, "connect", _set_up_session)
    sa.event.listen(engine, "handle_error", _leave_former_primary)
    return engine


def make_no_file(*engines: sa.Engine) -> None:
    """Let engines of a SQLite file that is there refuse to connect when it is not: SQLite would make an empty one."""

    def refuse(dialect: sa.Dialect, _record: object, arguments: list[t.Any], _options: object) -> None:
        if not pathlib.Path(arguments[0]).exists():
            raise t.cast("t.Any", dialect.loaded_dbapi).OperationalError("the file is gone")

    for engine in engines:
        if file_of(engine.url):
            sa.event.listen(engine, "do_connect", refuse)


def cannot_open(error: Exception, url: str | sa.URL = "") -> str:
    """Return why a landing store cannot be opened: of a file also which; a server's driver names the server."""
    is_file = isinstance(error, sa.exc.OperationalError) and str(url).startswith("sqlite")
    file = is_file and sa.make_url(url).database
    return f"landing_url: cannot open the landing store: {short(error)}{f' ({file})' if file else ''}"


def is_read_only(error: Exception) -> bool:
    """Return whether an error says that the server takes no writes."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None) == READ_ONLY or any(text in str(cause) for text in NOT_THE_PRIMARY)


def short(error: Exception) -> str:
    """Return the driver's own message, without SQL, parameters or links."""
    if is_read_only(error):
        return STANDBY
    if isinstance(error, ImportError):
        return missing_driver(error)
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _make_durable(connection: t.Any, _record: object) -> None:
    cursor = connection.cursor()
    for statement in SQLITE_SESSION:
        cursor.execute(statement)
    cursor.close()


def _set_up_session(connection: t.Any, record: t.Any) -> None:
    """Limit the wait for locks: a writer that hangs while holding one must not block all others."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute("SET synchronous_commit = on")
    if not connection.autocommit:
        connection.commit()
    if hasattr(connection, "add_notice_handler"):
        connection.add_notice_handler(lambda notice: _note_unreplicated(notice, record.info))


def _note_unreplicated(notice: t.Any, info: dict[t.Any, t.Any]) -> None:
    """Note that somebody cancelled a commit's wait for its standby: PostgreSQL warns of that, and the commit returns.

    The text comes in the server's language, the name of the function does not.
    """
    if notice.source_function == "SyncRepWaitForLSN":
        info[NOT_REPLICATED] = True


def _leave_former_primary(context: sa.engine.ExceptionContext) -> None:
    """Drop all pooled connections when the server takes no writes any more: another one does, or soon will."""
    if context.original_exception is not None and is_read_only(t.cast("Exception", context.original_exception)):
        context.is_disconnect = True
