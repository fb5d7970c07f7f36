"""Moves a ledger to another database: all of it, with its identity and the numbers of its runs and cuts.

Nobody ever goes on with both (design rule 10). The locks of both are held. The copy is one transaction, and the mark
that takes the source out of use is committed right before it: killed earlier, the source goes on; killed between the
two, nobody goes on until the same command has been repeated.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import CopyError, LedgerVersionError
from mapper_newstore_stock.ledger import moved, past_tables, tables
from mapper_newstore_stock.ledger.database import STREAMED, analyze, begin_writing, is_postgresql, load
from mapper_newstore_stock.ledger.opening import (
    check_file,
    create,
    existing_version,
    holding,
    version_of,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator

COPIED = [table for table in tables.metadata.sorted_tables if table is not tables.ledger]


def copy(source_url: str, target_url: str) -> str:
    """Move a ledger to an empty database, and return what was done.

    Raises:
        LedgerError: either cannot be opened or is in use; the source is older than this program or was moved
            elsewhere; or the target has a ledger.
    """
    check_file(source_url)
    with holding(source_url) as source, _holding_target(target_url) as target:
        place = moved.place(target)
        ledger_id, is_marked = _check_source(source, place)
        if is_marked and _id_of(target) == ledger_id:
            return f"the ledger had been copied to {place} before: set ledger_url to it"
        _check_target(target, place)
        begin_writing(target)
        rows = _copy(source, target, ledger_id)
        if not is_marked:
            begin_writing(source)
            moved.mark(source, place)
            source.commit()
        target.commit()
    return f"the ledger was copied to {place}, {rows} rows: set ledger_url to it. What it was copied from is out of use"


def take_back(source_url: str, target_url: str) -> str:
    """Bring a ledger back into use whose copy was never finished, and return what was done.

    Raises:
        LedgerError: it is in use, or was moved elsewhere, or its copy is there.
    """
    check_file(source_url)
    with holding(source_url) as source, _holding_target(target_url) as target:
        place = moved.place(target)
        ledger_id, is_marked = _check_source(source, place)
        if _id_of(target) == ledger_id:
            raise LedgerVersionError(
                f"the copy is there: {place}. Set ledger_url to it, or copy it to an empty database"
            )
        if is_marked:
            begin_writing(source)
            moved.unmark(source)
            source.commit()
    return "the ledger is in use again" if is_marked else "the ledger was in use: nothing to do"


def _holding_target(url: str) -> t.ContextManager[sa.Connection]:
    return holding(url, "--to")


def _check_source(source: sa.Connection, place: str) -> tuple[str, bool]:
    """Return the ledger's id, and whether it is marked as moved to this very place."""
    if moved.place(source) == place:
        raise CopyError("--to: this is the ledger itself", "Name an empty database")
    version = version_of(source)
    if version == -tables.SCHEMA_VERSION and moved.moved_to(source) == place:
        return _id_of(source) or "", True
    version = existing_version(source)
    if version != tables.SCHEMA_VERSION:
        raise LedgerVersionError(
            f"the ledger has schema version {version}, this program knows {tables.SCHEMA_VERSION}: "
            f"newstore-stock-ledger upgrade first"
        )
    return _id_of(source) or "", False


def _check_target(target: sa.Connection, place: str) -> None:
    """Refuse a database that holds anything of a ledger.

    Raises:
        LedgerError: it does.
    """
    if there := tables.metadata.tables.keys() & set(sa.inspect(target).get_table_names()):
        raise CopyError(
            f"--to: {place} is not empty, it has tables of a ledger ({', '.join(sorted(there))})",
            "Name an empty database",
        )


def _id_of(connection: sa.Connection) -> str | None:
    if version_of(connection) is None:
        return None
    return connection.scalar(sa.select(tables.ledger.c.ledger_id))


def _copy(source: sa.Connection, target: sa.Connection, ledger_id: str) -> int:
    """Copy all rows, the one that says all is there included; the caller commits."""
    create(target, ledger_id)
    past_tables.add_missing(source)
    kept = source.execute(sa.select(tables.ledger.c.horizon, tables.ledger.c.folded_at)).one()
    target.execute(tables.ledger.update().values(kept._asdict()))
    count = sum(load(target, table, _rows(source, table)) for table in COPIED)
    _go_on_counting(source, target)
    analyze(target, *COPIED)
    return count


def _rows(source: sa.Connection, table: sa.Table) -> Iterator[tuple[t.Any, ...]]:
    """Yield a table's rows in the order of its key."""
    query = sa.select(table).order_by(*table.primary_key)
    for row in source.execute(query, execution_options=STREAMED):
        yield tuple(row)


def _go_on_counting(source: sa.Connection, target: sa.Connection) -> None:
    """Let the numbers of runs go on where they were: none is given out twice."""
    last = source.scalar(sa.text(LAST_RUN[is_postgresql(source)])) or 0
    if last:
        target.execute(sa.text(NEXT_RUN[is_postgresql(target)]), {"last": last})


LAST_RUN = {
    False: "SELECT seq FROM sqlite_sequence WHERE name = 'run'",
    True: "SELECT pg_sequence_last_value(pg_get_serial_sequence('run', 'run')::regclass)",
}
#: SQLite has noted the highest number it was given; there may have been higher ones.
NEXT_RUN = {
    False: "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = 'run'",
    True: "SELECT setval(pg_get_serial_sequence('run', 'run'), :last)",
}
