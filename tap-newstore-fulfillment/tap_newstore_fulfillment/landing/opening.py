"""Opens a landing store's database: its schema is created, upgraded or refused."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t
import uuid

import sqlalchemy as sa

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import StoreError, StoreVersionError
from tap_newstore_fulfillment.landing.connections import OPEN, cannot_open, create_engine
from tap_newstore_fulfillment.landing.moved import moved_at, moved_to
from tap_newstore_fulfillment.landing.tables import SCHEMA_VERSION, fulfillment_event, landing_store, metadata
from tap_newstore_fulfillment.landing.upgrade import is_older, upgrade, what_is_done

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def open_schema(connection: sa.Connection) -> str:
    """Create what is missing, upgrade what is older, and return the store's identity; the caller commits.

    Raises:
        TapError: a later program made the store, or it was moved.
    """
    version = version_of(connection)
    if version is None:
        metadata.create_all(connection)
        row = {"store_id": str(uuid.uuid4()), "schema_version": SCHEMA_VERSION}
        connection.execute(landing_store.insert(), row)
    elif is_older(version):
        upgrade(connection, version)
    elif version != SCHEMA_VERSION:
        raise StoreVersionError(refusal(connection, version))
    else:
        metadata.create_all(connection)
    return str(connection.scalar(sa.select(landing_store.c.store_id)))


def version_of(connection: sa.Connection) -> int | None:
    """Return the schema version of the landing store in a database; None: there is none, or not all of it."""
    if not sa.inspect(connection).has_table(landing_store.name):
        return None
    return connection.scalar(sa.select(landing_store.c.schema_version))


def existing_version(connection: sa.Connection) -> int:
    """Return the version of a landing store that is there, of this program or upgradable.

    Raises:
        TapError: there is none, or none of these.
    """
    version = version_of(connection)
    if version is None:
        raise StoreError("landing_url: there is no landing store in this database; a receiver creates it")
    if version != SCHEMA_VERSION and not is_older(version):
        raise StoreVersionError(refusal(connection, version))
    return version


def refusal(connection: sa.Connection, version: int) -> str:
    """Return why a landing store of a version cannot be used, and what to do."""
    if version < 0:
        went = f"was moved to {moved_to(connection)} on {moved_at(connection)}"
        return f"landing_url: the landing store {went}; set landing_url to it"
    return (
        f"landing_url: the landing store has schema version {version}, this program "
        f"knows {SCHEMA_VERSION}; use the version of tap-newstore-fulfillment that made it"
    )


def plan_upgrade(url: str) -> tuple[bool, str]:
    """Return whether an upgrade has anything to do, and what; nothing is changed, and the store may be in use.

    Raises:
        TapError: there is no landing store, or it cannot be upgraded.
    """
    with looking(url) as connection:
        version = existing_version(connection)
        if version == SCHEMA_VERSION:
            return False, f"the landing store has schema version {version}, as this program: nothing to do"
        events = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(fulfillment_event.name)))
    plan = f"would be brought from schema version {version} to {SCHEMA_VERSION}: {what_is_done(version)}"
    return True, f"the landing store, of {events} events, {plan}"


@contextlib.contextmanager
def looking(url: str) -> Iterator[sa.Connection]:
    """Yield a connection to a landing store that may be in use.

    Raises:
        TapError: it is not there, or cannot be opened or read.
    """
    try:
        check_file(url)
        engine = create_engine(url)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            yield stack.enter_context(engine.connect())
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise StoreError(cannot_open(error, url), OPEN) from error


def check_is_there(url: str) -> None:
    """Refuse a database without a landing store: opening it would make one.

    Raises:
        TapError: there is none, or none this program can use.
    """
    with looking(url) as connection:
        existing_version(connection)


def check_file(url: str) -> None:
    """Refuse a SQLite file that is not there: opening would create it.

    Raises:
        TapError: it is not there.
        sqlalchemy.exc.SQLAlchemyError: the URL is none.
    """
    parsed = address(url)
    path = parsed.database if parsed.get_backend_name() == "sqlite" else None
    # A URI of SQLite's own says in its own way where its file is.
    if path and not path.startswith("file:") and not pathlib.Path(path).exists():
        raise StoreError(
            f"landing_url: there is no file {path}", "Correct it; the receiver or the first run makes the file"
        )
