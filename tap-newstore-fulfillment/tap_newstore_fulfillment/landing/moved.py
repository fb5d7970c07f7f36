"""A landing store that `copy` has moved: its version is below 0, so no program of any version opens it (rule 10).

Those that had it open before cannot write it any more: each of its tables has a trigger that refuses.
"""

from __future__ import annotations

import datetime as dt
import pathlib

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import landing_store, metadata

#: One row, in a landing store that was moved: where to (no secret), and when.
moved_store = sa.Table(
    "moved_store",
    sa.MetaData(),
    sa.Column("to_place", sa.Text, nullable=False),
    sa.Column("moved_at", sa.Text, nullable=False, comment="ISO 8601, UTC"),
)

#: What a program says that had the store open: a receiver answers 503, so NewStore sends again.
REFUSES = "the landing store was moved by newstore-event-receiver copy: start again with its new landing_url"
FUNCTION = f"""
CREATE FUNCTION landing_store_was_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING MESSAGE = '{REFUSES}', ERRCODE = 'object_not_in_prerequisite_state'; END $$
"""
EVENTS = ("INSERT", "UPDATE", "DELETE")


def place(connection: sa.Connection) -> str:
    """Return where a database is: nothing a password could stand in, and the same text each time."""
    url = connection.engine.url
    if connection.dialect.name == "sqlite":
        return f"sqlite:///{pathlib.Path(url.database or '').resolve()}"
    name, schema = connection.execute(sa.text("SELECT current_database(), current_schema()")).one()
    host = url.host or url.query.get("host") or "localhost"
    hosts = host if isinstance(host, str) else ",".join(host)
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{hosts}{port}/{name} (schema {schema})"


def mark(connection: sa.Connection, to_place: str) -> None:
    """Note in a landing store that it was moved, and let nobody write it any more; the caller commits."""
    connection.execute(sa.schema.CreateTable(moved_store))
    moved_at = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
    connection.execute(moved_store.insert(), {"to_place": to_place, "moved_at": moved_at})
    connection.execute(landing_store.update().values(schema_version=-landing_store.c.schema_version))
    for statement in _closing(connection):
        connection.exec_driver_sql(statement)


def unmark(connection: sa.Connection) -> None:
    """Make a landing store usable that was not moved after all; the caller commits."""
    for statement in _opening(connection):
        connection.exec_driver_sql(statement)
    connection.execute(sa.schema.DropTable(moved_store))
    connection.execute(landing_store.update().values(schema_version=-landing_store.c.schema_version))


def moved_to(connection: sa.Connection) -> str:
    """Return where a landing store was moved to."""
    return str(connection.scalar(sa.select(moved_store.c.to_place)))


def moved_at(connection: sa.Connection) -> str:
    """Return when a landing store was moved, as ISO 8601."""
    return str(connection.scalar(sa.select(moved_store.c.moved_at)))


def _closing(connection: sa.Connection) -> list[str]:
    """Return the statements that let nobody write."""
    if connection.dialect.name != "sqlite":
        when = " OR ".join(EVENTS)
        call = "FOR EACH STATEMENT EXECUTE FUNCTION landing_store_was_moved()"
        return [FUNCTION, *(f"CREATE TRIGGER moved BEFORE {when} ON {name} {call}" for name in metadata.tables)]
    return [
        f"CREATE TRIGGER moved_{name}_{event} BEFORE {event} ON {name} BEGIN SELECT RAISE(ABORT, '{REFUSES}'); END"
        for name in metadata.tables
        for event in EVENTS
    ]


def _opening(connection: sa.Connection) -> list[str]:
    """Return the statements that undo `_closing`."""
    if connection.dialect.name != "sqlite":
        return ["DROP FUNCTION landing_store_was_moved() CASCADE"]
    return [f"DROP TRIGGER moved_{name}_{event}" for name in metadata.tables for event in EVENTS]
