"""A ledger that `copy` has moved: its version is below 0, so no program of any version goes on with it (rule 10)."""

from __future__ import annotations

import datetime as dt
import pathlib

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import is_postgresql
from mapper_newstore_stock.ledger.tables import ledger

#: One row, in a ledger that was moved: where to (no secret), and when.
#: Written by: moved (the row)
moved_ledger = sa.Table(
    "moved_ledger",
    sa.MetaData(),
    sa.Column("to_place", sa.Text, nullable=False),
    sa.Column("moved_at", sa.Text, nullable=False, comment="ISO 8601, UTC"),
)


def place(connection: sa.Connection) -> str:
    """Return where a database is: nothing a password could stand in, and the same text each time."""
    url = connection.engine.url
    if not is_postgresql(connection):
        return f"sqlite:///{pathlib.Path(url.database or '').resolve()}"
    name, schema = connection.execute(sa.text("SELECT current_database(), current_schema()")).one()
    host = url.host or url.query.get("host") or "localhost"
    hosts = host if isinstance(host, str) else ",".join(host)
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{hosts}{port}/{name} (schema {schema})"


def mark(connection: sa.Connection, to_place: str) -> None:
    """Note in a ledger that it was moved; the caller commits."""
    connection.execute(sa.schema.CreateTable(moved_ledger))
    moved_at = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
    connection.execute(moved_ledger.insert(), {"to_place": to_place, "moved_at": moved_at})
    connection.execute(ledger.update().values(schema_version=-ledger.c.schema_version))


def unmark(connection: sa.Connection) -> None:
    """Make a ledger usable that was not moved after all; the caller commits."""
    connection.execute(sa.schema.DropTable(moved_ledger))
    connection.execute(ledger.update().values(schema_version=-ledger.c.schema_version))


def moved_to(connection: sa.Connection) -> str:
    """Return where a ledger was moved to."""
    return str(connection.scalar(sa.select(moved_ledger.c.to_place)))


def moved_at(connection: sa.Connection) -> str:
    """Return when a ledger was moved, as ISO 8601."""
    return str(connection.scalar(sa.select(moved_ledger.c.moved_at)))
