"""Takes the rows of one source into the ledger; only changes are written."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import RepeatedKeysError, UnusableRowsError
from mapper_newstore_stock.ledger.database import analyze, empty, has_rows, insert, is_postgresql, load, temporary_index
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import is_absent, is_present, on_hand
from mapper_newstore_stock.ledger.temporary_tables import foreign_row, gone_row, read_row, unusable_row
from mapper_newstore_stock.run.on_hand import AS_OF, TAKEN_AT

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.ledger.proof import Form
    from mapper_newstore_stock.run.changed_rows import ChangedRows
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.key_order import Span
    from mapper_newstore_stock.run.on_hand import OnHandSource, UnusableRow

NAMED_KEYS = 20
#: More rows than this that cannot be used are a broken list.
MOST_UNUSABLE = 10_000
#: The column of `on_hand` for what a row says of the completions it contains, by the form of proof.
_SAID_BY_ROWS = {"taken_at": TAKEN_AT}
#: What was said of an earlier number under another form, and is not of this one.
_SAID_BEFORE = {AS_OF: TAKEN_AT, TAKEN_AT: AS_OF}
#: Up to this many rows are found as fast without an index.
INDEXED_ROWS = 1_000
_KEY = (read_row.c.fulfillment_node_id, read_row.c.product_id)


def load_rows(
    connection: sa.Connection, source: OnHandSource, erp: ErpTables, changed: ChangedRows | None
) -> tuple[int, int]:
    """Read the rows of a source into `read_row`, those that cannot be used into `unusable_row`; return how many each.

    Args:
        connection: The ledger's.
        source: Its rows may come in any order.
        erp: Reads tables.
        changed: Which rows to read; None: all.

    Raises:
        OnHandError: the source cannot be read.
    """
    empty(connection, read_row)
    unusable: list[UnusableRow] = []
    count = load(connection, read_row, source.rows(erp, changed, unusable.append))
    return count, load_unusable(connection, unusable)


def load_unusable(connection: sa.Connection, rows: Sequence[UnusableRow]) -> int:
    """Note the rows of a list of which only the key can be used, and return how many there are.

    Raises:
        OnHandError: there are so many that the list is broken.
    """
    if len(rows) > MOST_UNUSABLE:
        raise UnusableRowsError(f"{len(rows)} rows cannot be used, the first: {rows[0].reason}")
    return load(connection, unusable_row, ((*row, "") for row in rows))


def refuse_duplicates(connection: sa.Connection, others_of: str | None, place: str) -> None:
    """Refuse a list that has a key twice.

    Args:
        connection: The ledger's; `read_row` is filled.
        others_of: The source whose other rows are in `on_hand`, but for those in `gone_row`; None: all were read.
        place: Where the list is, as errors name it.

    Raises:
        OnHandError: names the keys.
    """
    twice: t.Any = sa.select(*_KEY).group_by(*_KEY).having(sa.func.count() > 1)
    if others_of is not None:
        stands = sa.exists().where(same_key(on_hand.c, read_row.c), on_hand.c.source == others_of, is_present)
        twice = twice.union(sa.select(*_KEY).where(stands, ~is_among(gone_row, read_row.c)))
    key = twice.subquery().c
    query = sa.select(*key).order_by(*key)
    if rows := connection.execute(query.limit(NAMED_KEYS)).all():
        count = connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
        more = f" and {count - NAMED_KEYS} more" if count > NAMED_KEYS else ""
        raise RepeatedKeysError(
            f"the on-hand source names these keys more than once: {name_keys(rows)}{more} ({place})",
            "Leave all but one row of each out, such as by on_hand_query or ignored_nodes",
        )


def refuse_keys_of_two(connection: sa.Connection, live: Sequence[str]) -> None:
    """Refuse keys that two of the sources list that could be read.

    Raises:
        OnHandError: names key and sources.
    """
    if not has_rows(connection, foreign_row):
        return
    row = on_hand.c
    query = (
        sa.select(row.fulfillment_node_id, row.product_id, row.source, foreign_row.c.source.label("other"))
        .join(foreign_row, same_key(foreign_row.c, row))
        .where(is_present, row.source.in_(live), row.source != foreign_row.c.source)
        .order_by(row.fulfillment_node_id, row.product_id)
    )
    if rows := connection.execute(query.limit(20)).all():
        raise RepeatedKeysError(
            f"on_hand_sources: {rows[0].other} and {rows[0].source} both list {name_keys(rows)}. Nothing was sent. "
            f"Leave them out in one (on_hand_query)"
        )


def listed_nodes(connection: sa.Connection) -> set[str]:
    """Return the fulfillment nodes of a list that was just read, those of rows that cannot be used among them."""
    read, bad = read_row.c.fulfillment_node_id, unusable_row.c
    nodes = sa.union(sa.select(read), sa.select(bad.fulfillment_node_id).where(bad.source == ""))
    return set(connection.scalars(nodes))


def set_foreign_rows_aside(connection: sa.Connection, name: str, foreign_nodes: Sequence[str]) -> tuple[int, int]:
    """Move the rows of nodes a source does not own to `foreign_row`; forget those of them that cannot be used.

    Args:
        connection: The ledger's; `read_row` is filled, and `unusable_row` is with what is not yet of any source.
        name: The source.
        foreign_nodes: All nodes in its list that it does not own.

    Returns:
        How many rows there were, and how many that cannot be used.
    """
    row, bad = read_row.c, unusable_row.c
    there = row.fulfillment_node_id.in_(foreign_nodes)
    keys = sa.select(row.fulfillment_node_id, row.product_id, sa.literal(name)).where(there)
    connection.execute(foreign_row.insert().from_select(foreign_row.c.keys(), keys))
    is_nobodys = sa.and_(bad.source == "", bad.fulfillment_node_id.in_(foreign_nodes))
    unusable = connection.execute(unusable_row.delete().where(is_nobodys)).rowcount
    connection.execute(unusable_row.update().where(bad.source == "").values(source=name))
    return connection.execute(read_row.delete().where(there)).rowcount, unusable


def forget_refused(connection: sa.Connection, name: str) -> None:
    """Take away what the refused list of a source says in tables that all sources share.

    PostgreSQL has undone that already; the other temporary tables are emptied before each list.
    """
    for table in (foreign_row, unusable_row):
        connection.execute(table.delete().where(table.c.source == name))


def add_first_rows(
    connection: sa.Connection, name: str, form: Form, run: int, place: str, *, spans: Sequence[Span] = ()
) -> None:
    """Write what is in `read_row` into `on_hand`, which has no row yet.

    Args:
        connection: The ledger's; the caller commits.
        name: The source.
        form: How its numbers prove what they contain.
        run: The first run in which the rows may have changed.
        place: Where the list is, as errors name it.
        spans: Where rows are together in `read_row`, in key order; empty: they have to be sorted.

    Raises:
        OnHandError: the list has a key twice; names it.
    """
    count = connection.scalar(sa.select(sa.func.count()).select_from(read_row))
    new = _new_rows(form, name, run)
    in_span = sa.literal_column("rowid").between(sa.bindparam("first"), sa.bindparam("last"))
    in_order, parts = new.order_by(*_KEY), [{"first": first, "last": last} for first, last in spans]
    added = _added(connection, new.where(in_span) if parts else in_order).on_conflict_do_nothing()
    written = connection.execute(added, parts or None, execution_options={"preserve_rowcount": True})
    if written.rowcount != count:
        # The run may go on without this list, and SQLite undoes nothing by itself.
        connection.execute(on_hand.delete())
        refuse_duplicates(connection, None, place)
        # No key is there twice: wherever the spans are, all rows are taken.
        connection.execute(_added(connection, in_order))


def apply_rows(connection: sa.Connection, name: str, form: Form, run: int) -> None:
    """Write what has changed in `read_row` into `on_hand`.

    Args:
        connection: The ledger's; the caller commits.
        name: The source.
        form: How its numbers prove what they contain.
        run: The first run in which the rows may have changed.
    """
    _change(connection, _says(form), name, run)
    known = sa.exists().where(same_key(on_hand.c, read_row.c))
    connection.execute(_added(connection, _new_rows(form, name, run).where(~known).order_by(*_KEY)))


@contextlib.contextmanager
def rows_by_key(connection: sa.Connection, count: int) -> t.Iterator[None]:
    """Have the rows that were read found by their keys, for the length of a block.

    The rows are there already: sorting them once is cheaper than finding each one's place.
    """
    columns = (*_KEY, read_row.c.quantity, read_row.c.as_of)
    # PostgreSQL hashes instead.
    is_indexed = count > INDEXED_ROWS and not is_postgresql(connection)
    with temporary_index(connection, "read_row_by_key", *columns) if is_indexed else contextlib.nullcontext():
        analyze(connection, read_row)
        yield


def name_keys(rows: Sequence[sa.Row[t.Any]]) -> str:
    """Return keys for an error text: "DC01/SKU-1, DC01/SKU-2"."""
    return ", ".join(f"{row.fulfillment_node_id}/{row.product_id}" for row in rows)


def is_among(table: sa.Table, key: t.Any) -> sa.ColumnElement[bool]:
    """Return the condition that a key is one of a table's few: they are looked up, not the table the key is of."""
    return sa.tuple_(key.fulfillment_node_id, key.product_id).in_(
        sa.select(table.c.fulfillment_node_id, table.c.product_id)
    )


def _says(form: Form) -> sa.Column[t.Any]:
    """Return where `on_hand` keeps what a row says of the completions it contains."""
    return on_hand.c[_SAID_BY_ROWS.get(form, AS_OF)]


def _change(connection: sa.Connection, says: sa.Column[t.Any], name: str, run: int) -> None:
    read, kept = read_row.c, on_hand.c
    said_before = kept[_SAID_BEFORE[says.name]]
    differs = sa.or_(
        kept.quantity != read.quantity,
        says.is_distinct_from(read.as_of),
        said_before.is_not(None),
        kept.source != name,
        is_absent,
    )
    said = {says.name: read.as_of, said_before.name: None}
    values = {"quantity": read.quantity, **said, "changed_run": run, "source": name, "absence": ""}
    connection.execute(on_hand.update().where(same_key(kept, read), differs).values(values))


def _new_rows(form: Form, name: str, run: int) -> sa.Select[t.Any]:
    """Select what was read as rows of `on_hand`."""
    row, says = read_row.c, _says(form)
    source, changed_run = sa.literal(name).label("source"), sa.literal(run).label("changed_run")
    return sa.select(*_KEY, row.quantity, row.as_of.label(says.name), changed_run, source)


def _added(connection: sa.Connection, rows: sa.Select[t.Any]) -> t.Any:
    return insert(connection, on_hand).from_select(rows.selected_columns.keys(), rows)
