"""Takes the ERP's rows into the ledger; only changes are written."""

from __future__ import annotations

import contextlib
import json
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import analyze, is_postgresql, load, temporary_index
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import folded, on_hand
from mapper_newstore_stock.ledger.tables import ledger as ledger_table
from mapper_newstore_stock.ledger.temporary_tables import read_row
from mapper_newstore_stock.run.on_hand import AS_OF, TAKEN_AT

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.ledger.proof import Proof
    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.on_hand import OnHandSource
    from mapper_newstore_stock.state import Cursor

NAMED_KEYS = 20
#: The column of `on_hand` for what a row says of the completions it contains, by the form of proof.
_SAID_BY_ROWS = {"taken_at": TAKEN_AT}
#: Up to this many rows are found as fast without an index.
INDEXED_ROWS = 1_000
_KEY = (read_row.c.fulfillment_node_id, read_row.c.product_id)


def last_cursor(connection: sa.Connection, fingerprint: str) -> Cursor | None:
    """Return how far the ERP's changes have been read (None: not at all from this source)."""
    kept = connection.scalar(sa.select(ledger_table.c.on_hand_cursor))
    source, cursor = json.loads(kept) if kept else (None, None)
    return cursor if source == fingerprint else None


def take_rows(ledger: Ledger, source: OnHandSource, erp: ErpTables, since: Cursor | None) -> int:
    """Take the ERP's rows, and note since which run each may have changed.

    Args:
        ledger: The run's hold on the ledger.
        source: Its rows may come in any order.
        erp: Reads tables.
        since: Read only rows updated since then. None: read all, and remove keys that are not among them.

    Returns:
        The number of rows read.

    Raises:
        OnHandError: the source has a key more than once.
    """
    connection = ledger.connection
    connection.execute(read_row.delete())
    count = load(connection, read_row, source.rows(erp, since))
    says = on_hand.c[_SAID_BY_ROWS.get(source.form, AS_OF)]
    with _index_by_key(connection, count):
        analyze(connection, read_row)
        _refuse_duplicates(connection)
        # A run that died may have taken units younger than a change it did not read; a late unit counts until then.
        _change(connection, says, ledger.unread_since)
        _add(connection, says, ledger.unread_since)
        if since is None:
            _remove(connection, count)
    connection.execute(read_row.delete())
    if source.updated_column:
        kept = json.dumps([source.fingerprint, source.cursor])
        connection.execute(ledger_table.update().values(on_hand_cursor=kept))
    return count


def refuse_rows_below_folded(connection: sa.Connection, proof: Proof) -> None:
    """Refuse rows that no longer contain units the ledger has folded away.

    Raises:
        OnHandError: names the keys.
    """
    row, gone = on_hand.c, folded.c
    if proof.form == "column":
        name, as_of = AS_OF, row.as_of_logical_timestamp
        contains = sa.and_(as_of.is_not(None), as_of >= gone.through)
    elif proof.form == "taken_at":
        name, published = TAKEN_AT, gone.published_through
        contains = sa.or_(published.is_(None), proof.proven_before() > published)
    else:
        return
    query = (
        sa.select(row.fulfillment_node_id, row.product_id)
        .select_from(folded)
        .join(on_hand, same_key(row, gone))
        .where(~contains)
        .order_by(row.fulfillment_node_id, row.product_id)
    )
    if rows := connection.execute(query.limit(NAMED_KEYS)).all():
        raise OnHandError(
            f"these on-hand rows say that they contain fewer completions than before, and the ledger no longer knows "
            f"the units in question (ledger_keep_days): {name_keys(rows)}. Nothing was sent. Correct "
            f"{name} in the on-hand source"
        )


def name_keys(rows: Sequence[sa.Row[t.Any]]) -> str:
    """Return keys for an error text: "DC01/SKU-1, DC01/SKU-2"."""
    return ", ".join(f"{row.fulfillment_node_id}/{row.product_id}" for row in rows)


def _index_by_key(connection: sa.Connection, count: int) -> contextlib.AbstractContextManager[None]:
    """Index many rows on SQLite; PostgreSQL hashes instead.

    The rows are there already: sorting them once is cheaper than finding each one's place.
    """
    if count <= INDEXED_ROWS or is_postgresql(connection):
        return contextlib.nullcontext()
    columns = (*_KEY, read_row.c.quantity, read_row.c.as_of)
    return temporary_index(connection, "read_row_by_key", *columns)


def _refuse_duplicates(connection: sa.Connection) -> None:
    query = sa.select(*_KEY).group_by(*_KEY).having(sa.func.count() > 1).order_by(*_KEY)
    if rows := connection.execute(query.limit(NAMED_KEYS)).all():
        raise OnHandError(f"the on-hand source names these keys more than once: {name_keys(rows)}")


def _change(connection: sa.Connection, says: sa.Column[t.Any], run: int) -> None:
    read, kept = read_row.c, on_hand.c
    differs = sa.or_(kept.quantity != read.quantity, says.is_distinct_from(read.as_of))
    values = {"quantity": read.quantity, says.name: read.as_of, "changed_run": run}
    connection.execute(on_hand.update().where(same_key(kept, read), differs).values(values))


def _add(connection: sa.Connection, says: sa.Column[t.Any], run: int) -> None:
    read = read_row.c
    known = sa.exists().where(same_key(on_hand.c, read))
    new = sa.select(*_KEY, read.quantity, read.as_of, sa.literal(run)).where(~known).order_by(*_KEY)
    columns = ["fulfillment_node_id", "product_id", "quantity", says.name, "changed_run"]
    connection.execute(on_hand.insert().from_select(columns, new))


def _remove(connection: sa.Connection, count: int) -> None:
    """Remove keys the source no longer has; all that it has are in the ledger by now."""
    if connection.scalar(sa.select(sa.func.count()).select_from(on_hand)) == count:
        return
    still_there = sa.exists().where(same_key(read_row.c, on_hand.c))
    connection.execute(on_hand.delete().where(~still_there))
