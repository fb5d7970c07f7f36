"""The ledger as a check sees it: read, and never written."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t
from pathlib import Path

import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import LedgerError, LedgerVersionError
from mapper_newstore_stock.ledger import lock, temporary_tables
from mapper_newstore_stock.ledger.database import is_postgresql, open_engine, open_ledger_engine, short
from mapper_newstore_stock.ledger.opening import open_schema, refusal
from mapper_newstore_stock.ledger.primary import STANDBY
from mapper_newstore_stock.ledger.queries import acknowledged_cut
from mapper_newstore_stock.ledger.tables import SCHEMA_VERSION, completed_unit, cut, held_key, ledger
from mapper_newstore_stock.ledger.upgrade import is_older

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.findings import Findings

TO_DO = "Correct ledger_url, or start its database"
MADE = "the first run makes it"
SEE_HELD = (
    "See which and why: meltano invoke mapper-newstore-stock:ledger held (without Meltano newstore-stock-ledger held)"
)


@contextlib.contextmanager
def look_at_ledger(findings: Findings, url: str) -> Iterator[sa.Connection]:
    """Note what is to say of the ledger, and yield a connection to compare lists with it.

    If there is none that can be compared, the connection leads to an empty one of this block's own.
    """
    with contextlib.ExitStack() as resources:
        connection = None
        with findings.looking("ledger", TO_DO):
            connection = _looked_at(findings, url, resources)
        if connection is None:
            connection = _empty(resources)
        for table in temporary_tables.temporary.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        yield connection
        connection.rollback()


def _looked_at(findings: Findings, url: str, resources: contextlib.ExitStack) -> sa.Connection | None:
    """Return a connection to the ledger; None: there is none, or it is of another version.

    Raises:
        LedgerError: it cannot be opened or written.
    """
    try:
        if _is_missing_file(findings, url):
            return None
        connection = _connected(url, resources)
        if not sa.inspect(connection).has_table(ledger.name):
            _check_may_create(connection)
            findings.green("ledger", f"there is none in this database yet, {MADE}")
            return None
        _check_takes_writes(connection)
        holder = lock.holder(connection)
        if holder:
            findings.yellow("lock", f"the ledger is in use: {holder}", "Wait for that run: a second one fails at once")
        else:
            findings.green("lock", "no run holds the ledger")
            _check_takes_a_transaction(connection)
        return connection if _is_of_this_version(findings, connection) else None
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise LedgerError(f"ledger_url: cannot open the ledger: {short(error)}") from error


def _connected(url: str, resources: contextlib.ExitStack) -> sa.Connection:
    is_sqlite = address(url).get_backend_name() == "sqlite"
    # A session's own settings change no ledger on PostgreSQL; on SQLite they would be written into the file.
    engine = open_engine(url) if is_sqlite else open_ledger_engine(url)
    resources.callback(engine.dispose)
    connection = resources.enter_context(engine.connect())
    if is_sqlite:
        connection.exec_driver_sql("PRAGMA case_sensitive_like = ON")
    return connection


def _is_missing_file(findings: Findings, url: str) -> bool:
    """Return whether the ledger is a file that is not there yet.

    Raises:
        LedgerError: nor can it be made there.
    """
    parsed = address(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return False
    path = Path(parsed.database)
    if path.exists():
        return False
    if not os.access(path.parent, os.W_OK):
        raise LedgerError(f"ledger_url: there is no file {path}, and no directory for it that this user may write to")
    findings.green("ledger", f"there is none at {path} yet, {MADE}")
    return True


def _check_may_create(connection: sa.Connection) -> None:
    _check_takes_writes(connection)
    may_create = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
    if is_postgresql(connection) and not connection.scalar(sa.text(may_create)):
        raise LedgerError("ledger_url: this user may not create tables there")


def _check_takes_writes(connection: sa.Connection) -> None:
    if is_postgresql(connection) and connection.scalar(sa.text("SHOW transaction_read_only")) == "on":
        raise LedgerError(f"ledger_url: {STANDBY}")


def _check_takes_a_transaction(connection: sa.Connection) -> None:
    """Begin to write to a file, and leave it at that."""
    connection.rollback()
    if not is_postgresql(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.rollback()


def _is_of_this_version(findings: Findings, connection: sa.Connection) -> bool:
    version = connection.scalar(sa.select(ledger.c.schema_version))
    if version is None:
        findings.green("ledger", f"it is empty, {MADE}")
    elif is_older(version):
        findings.yellow(
            "ledger",
            f"schema version {version}; this program writes {SCHEMA_VERSION}",
            "None: the next run upgrades it. Keep a backup until then",
        )
    elif version != SCHEMA_VERSION:
        raise LedgerVersionError(refusal(connection, version))
    else:
        _say_what_waits(findings, connection)
    return version == SCHEMA_VERSION


def _say_what_waits(findings: Findings, connection: sa.Connection) -> None:
    unit, acknowledged = completed_unit.c, acknowledged_cut(connection)
    waits = sa.or_(unit.cut.is_(None), unit.cut > acknowledged)
    units = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(unit.units), 0)).where(waits))
    last = connection.scalar(sa.select(sa.func.max(cut.c.cut))) or 0
    held = connection.scalar(sa.select(sa.func.count()).select_from(held_key))
    said = (
        f"{last} cuts, of which the last run knew {acknowledged} imported; {units} completed units wait for an import"
    )
    if held:
        findings.yellow("ledger", f"{said}; {held} keys are held, stale or vanished", SEE_HELD)
    else:
        findings.green("ledger", said)


def _empty(resources: contextlib.ExitStack) -> sa.Connection:
    directory = resources.enter_context(tempfile.TemporaryDirectory(prefix="newstore-stock-check-"))
    engine = open_ledger_engine(f"sqlite:///{Path(directory) / 'ledger.db'}")
    resources.callback(engine.dispose)
    connection = resources.enter_context(engine.connect())
    open_schema(connection)
    return connection
