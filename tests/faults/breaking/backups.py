"""Copies databases, to be restored as an operator would after a loss."""

from __future__ import annotations

import shutil
import typing as t

import psycopg
import sqlalchemy as sa

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql


class Backups:
    """Creates and copies databases of one kind.

    Args:
        directory: Where SQLite files go.
        postgresql: The server; None uses SQLite files.
    """

    def __init__(self, directory: Path, postgresql: PostgreSql | None) -> None:
        self._directory = directory
        self._postgresql = postgresql
        self._number = 0

    def new(self) -> str:
        """Return the URL of a new, empty database."""
        self._number += 1
        path = self._directory / f"database-{self._number}.db"
        return self._postgresql.new_database() if self._postgresql else f"sqlite:///{path}"

    def copy(self, url: str) -> str:
        """Return the URL of a new copy of a database."""
        copy = self.new()
        if self._postgresql:
            source, target = (sa.make_url(name).database for name in (url, copy))
            with psycopg.connect(self._postgresql._server.get_uri(), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{target}"'.encode())
                connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'.encode())
        else:
            shutil.copy(*(sa.make_url(name).database or "" for name in (url, copy)))
        return copy
