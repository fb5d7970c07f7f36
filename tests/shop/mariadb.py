"""A real MariaDB server, where the machine has one."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
import uuid
from pathlib import Path

import sqlalchemy as sa

from tests.shop.process import Process

#: Where Debian keeps servers; it is not on everyone's PATH.
SERVERS = ("/usr/sbin", "/usr/local/sbin")
#: No settings of the machine's own, no port, no accounts: whoever may open the socket is let in. Small files are fast.
OPTIONS = ("--no-defaults", "--skip-networking", "--skip-grant-tables", "--innodb-log-file-size=8M")


def find() -> str | None:
    """Return the path of a MariaDB server, if this machine has one."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SERVERS])
    return shutil.which("mariadbd", path=path)


class MariaDb:
    """A server on a Unix socket, in a directory of its own. Use it in a `with` block.

    Args:
        server: Path of the server.
    """

    def __init__(self, server: str) -> None:
        # A socket's path must be short, and pytest's directories are not.
        self._directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
        (self._directory / "data").mkdir()
        self._socket = str(self._directory / "socket")
        places = [f"--datadir={self._directory / 'data'}", f"--socket={self._socket}"]
        # As root it starts only when it is told that root is meant.
        user = ["--user=root"] if os.getuid() == 0 else []
        self._process = Process([server, *OPTIONS, *places, *user], self._directory / "log")
        self._process.wait_for("ready for connections")

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    def new_database(self, script: str = "") -> str:
        """Create a database, run a script in it, and return its SQLAlchemy URL."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}", self._url(""))
        self.execute(script, self._url(name))
        return self._url(name)

    @staticmethod
    def execute(script: str, url: str) -> None:
        """Run statements in a database and commit them."""
        with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
            for statement in filter(None, map(str.strip, script.split(";"))):
                connection.exec_driver_sql(statement)

    def _url(self, database: str) -> str:
        return f"mariadb+pymysql://root@/{database}?unix_socket={self._socket}"
