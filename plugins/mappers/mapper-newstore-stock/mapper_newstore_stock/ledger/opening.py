"""Opens a ledger's database: its schema is created, upgraded or refused."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t
import uuid

import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import LedgerError, LedgerVersionError
from mapper_newstore_stock.ledger import lock, past_tables, tables, temporary_tables, views
from mapper_newstore_stock.ledger.database import empty, open_engine, open_ledger_engine, short
from mapper_newstore_stock.ledger.moved import moved_at, moved_to
from mapper_newstore_stock.ledger.upgrade import is_older, upgrade, what_is_done

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def open_schema(connection: sa.Connection) -> str:
    """Create what is missing, upgrade what is older, and return the ledger's id.

    Raises:
        LedgerError: another version of this program made the ledger, or it was moved.
    """
    version = version_of(connection)
    # A run may have died after creating tables and before the row that says all are there.
    if version is None:
        create(connection, uuid.uuid4().hex)
    elif is_older(version):
        upgrade(connection, version)
    elif version != tables.SCHEMA_VERSION:
        raise LedgerVersionError(refusal(connection, version))
    past_tables.add_missing(connection)
    for table in temporary_tables.temporary.sorted_tables:
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
    empty(connection, *temporary_tables.temporary.sorted_tables)
    ledger_id = connection.scalar(sa.select(tables.ledger.c.ledger_id))
    connection.commit()
    return str(ledger_id)


def create(connection: sa.Connection, ledger_id: str) -> None:
    """Create a ledger's tables and views, and at last the row that says all are there; the caller commits."""
    tables.metadata.create_all(connection)
    views.create(connection)
    row = {"schema_version": tables.SCHEMA_VERSION, "ledger_id": ledger_id}
    connection.execute(tables.ledger.insert().values(row))


def version_of(connection: sa.Connection) -> int | None:
    """Return the schema version of the ledger in a database; None: there is none, or not all of it."""
    if not sa.inspect(connection).has_table(tables.ledger.name):
        return None
    return connection.scalar(sa.select(tables.ledger.c.schema_version))


def refusal(connection: sa.Connection, version: int) -> str:
    """Return why a ledger of a version cannot be used, and what to do."""
    if version < 0:
        return f"the ledger was moved to {moved_to(connection)} on {moved_at(connection)}; set ledger_url to it"
    return (
        f"the ledger has schema version {version}, this program knows {tables.SCHEMA_VERSION}; "
        f"use the version of mapper-newstore-stock that made it"
    )


@contextlib.contextmanager
def holding(url: str, setting: str = "ledger_url") -> Iterator[sa.Connection]:
    """Yield a connection to a ledger's database that holds its lock: nobody else writes the ledger meanwhile.

    Args:
        url: Where it is.
        setting: Who names it, for errors.

    Raises:
        LedgerError: it cannot be opened or written, or a run holds it.
    """
    try:
        engine = open_ledger_engine(url)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            stack.enter_context(lock.holding(connection))
            yield connection
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise cannot_open(error, setting, url) from error


@contextlib.contextmanager
def looking(url: str) -> Iterator[sa.Connection]:
    """Yield a connection that only reads; a run may be going on.

    Raises:
        LedgerError: it cannot be opened or read.
    """
    check_file(url)
    try:
        engine = open_engine(url)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            yield stack.enter_context(engine.connect())
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise cannot_open(error, url=url) from error


def upgrade_store(url: str) -> str:
    """Bring the ledger behind a URL to this version, and return what was done.

    Raises:
        LedgerError: there is none, it cannot be upgraded, or a run holds it.
    """
    check_file(url)
    with holding(url) as connection:
        version = existing_version(connection)
        if version != tables.SCHEMA_VERSION:
            return upgrade(connection, version)
    return f"the ledger has schema version {tables.SCHEMA_VERSION}"


def plan_upgrade(url: str) -> tuple[bool, str]:
    """Return whether an upgrade has anything to do, and what; nothing is changed, and a run may be going on.

    Raises:
        LedgerError: there is no ledger, or it cannot be upgraded.
    """
    with looking(url) as connection:
        version = existing_version(connection)
        if version == tables.SCHEMA_VERSION:
            return False, f"the ledger has schema version {version}, as this program: nothing to do"
        keys = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(tables.on_hand.name)))
    plan = f"would be brought from schema version {version} to {tables.SCHEMA_VERSION}: {what_is_done(version)}"
    return True, f"the ledger, of {keys} keys, {plan}"


def existing_version(connection: sa.Connection) -> int:
    """Return the version of a ledger that is there, of this program or upgradable.

    Raises:
        LedgerError: there is none, or none of these.
    """
    version = version_of(connection)
    if version is None:
        raise LedgerError("ledger_url: there is no ledger in this database; a run of the mapper creates it")
    if version != tables.SCHEMA_VERSION and not is_older(version):
        raise LedgerVersionError(refusal(connection, version))
    return version


def check_file(url: str) -> None:
    """Refuse a SQLite file that is not there: opening would create it.

    Raises:
        LedgerError: it is not there, or the URL is none.
    """
    try:
        parsed = address(url)
    except sa.exc.SQLAlchemyError as error:
        raise cannot_open(error) from error
    path = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if path and not pathlib.Path(path).exists():
        raise LedgerError(f"ledger_url: there is no file {path}", "Correct it; a run of the mapper makes the file")


def cannot_open(error: Exception, setting: str = "ledger_url", url: sa.URL | str = "") -> LedgerError:
    """Return the error that says why a ledger cannot be opened: of a file also which; a server's driver names it."""
    is_file = isinstance(error, sa.exc.OperationalError) and str(url).startswith("sqlite")
    file = is_file and sa.make_url(url).database
    said = f"{setting}: cannot open the ledger: {short(error)}{f' ({file})' if file else ''}"
    return LedgerError(said, f"Correct {setting}, or start its database")
