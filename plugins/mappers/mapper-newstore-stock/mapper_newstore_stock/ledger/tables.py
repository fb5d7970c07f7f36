"""The ledger's tables. Logical timestamps are int64 and order events; they are not times.

On SQLite the large ones are clustered by their primary key (WITHOUT ROWID), so writing in key order
stays cheap however large they grow. "Written by" names the modules that write a table, and what they
write; a test compares it with the code.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 3

metadata = sa.MetaData()
#: Tables of one connection; they go with it. The store creates them empty for each run.
temporary = sa.MetaData()
number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


#: Compared byte by byte on both databases: comparing by a language's rules costs PostgreSQL much more.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _key_columns(*, primary_key: bool = True) -> list[sa.Column[str]]:
    return [
        sa.Column("fulfillment_node_id", text, primary_key=primary_key, nullable=False),
        sa.Column("product_id", text, primary_key=primary_key, nullable=False),
    ]


def _unit_columns() -> list[sa.Column[str] | sa.Column[int]]:
    """Return a unit's columns, the key first: the units of one key are then stored together, in timestamp order."""
    return [
        *_key_columns(),
        sa.Column("logical_timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_id", text, primary_key=True),
        sa.Column("units", sa.Integer, nullable=False),
    ]


#: One row. `ledger_id`: tells this ledger from any other, even from a new one in its place.
#: `horizon`: highest timestamp of the units folded away (NULL: none yet). `erp_is_current`: the
#: setting at the last plan; when it changes, every number is computed anew.
#: Written by: store (the row), erp_rows (on_hand_cursor), planning (erp_is_current),
#: retention (folded_at, horizon)
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ledger_id", sa.Text, nullable=False),
    sa.Column("horizon", sa.BigInteger),
    sa.Column("folded_at", sa.Text, comment="ISO 8601, UTC"),
    sa.Column("erp_is_current", sa.Boolean),
    sa.Column("on_hand_cursor", sa.Text, comment="JSON: highest value of on_hand_updated_column read"),
)

#: One row per run of the mapper: who it is, how far it has taken the tap's events, and which
#: cut NewStore had when it began. `run_id` tells runs with equal numbers apart after a ledger was
#: restored from an older copy and went on from there.
#: Written by: store (a row per run, acknowledged_cut), intake (taken_*)
run = sa.Table(
    "run",
    metadata,
    sa.Column("run", number, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False, comment="ISO 8601, UTC"),
    sa.Column("taken_through", sa.BigInteger, comment="the tap's bookmark: logical timestamp"),
    sa.Column("taken_position", sa.BigInteger, comment="the tap's bookmark: arrival position"),
    sa.Column("taken_store_id", sa.Text, comment="the landing store the position belongs to"),
    sa.Column("acknowledged_cut", number),
    sqlite_autoincrement=True,
)

#: Units that left a shelf, per event and product. `late`: the event came below the bookmark of an
#: earlier run, one of this ledger's or one the tap remembers. `cut`: the last cut that carried the
#: units or will (NULL: none, while the key is not managed here).
#: Written by: intake (new units), cut_writer (cut), planning (cut of ignored keys), retention (folds)
completed_unit = sa.Table(
    "completed_unit",
    metadata,
    *_unit_columns(),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("run", number, nullable=False),
    sa.Column("cut", number),
    sqlite_with_rowid=False,
)

#: Units known ahead of the tap's release mark. They count in no mark and no range. They become
#: completed units when they are released or when the mark reaches them.
#: Written by: intake (new units; removes completed ones)
ahead_unit = sa.Table("ahead_unit", metadata, *_unit_columns(), sqlite_with_rowid=False)

#: Sums of the units folded away. `through`: the highest timestamp among them; an ERP row must
#: contain it.
#: Written by: retention (folds)
folded = sa.Table(
    "folded",
    metadata,
    *_key_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("through", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: At most one row: the landing store had pruned completions up to `through` before this ledger took
#: any of them. An ERP row must contain them. Older ledgers get the table when they are opened.
#: Written by: pruned_past (the row)
unknown_past = sa.Table("unknown_past", metadata, sa.Column("through", sa.BigInteger, nullable=False))

#: The ERP's rows as last read, and what was last sent for them. `as_of_logical_timestamp`: the
#: highest timestamp the number contains (NULL: none). `changed_run`: the first run in which the
#: row may have changed since rows were last read. `sent_quantity`, `sent_cut`: NULL until the key
#: is first sent.
#: Written by: erp_rows (rows as read), cut_writer (sent_quantity, sent_cut)
on_hand = sa.Table(
    "on_hand",
    metadata,
    *_key_columns(),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("changed_run", number, nullable=False),
    sa.Column("sent_quantity", sa.BigInteger),
    sa.Column("sent_cut", number),
    sqlite_with_rowid=False,
)


@sa.event.listens_for(on_hand, "after_create")
def _set_fill_factor(_table: sa.Table, connection: sa.Connection, **_options: object) -> None:
    """Leave half of each page free so that PostgreSQL can update rows in place (HOT) without touching the index."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE on_hand SET (fillfactor = 50)")


#: One row per cut ever planned, written before the cut is sent: so the mark also remembers cuts
#: that were only tried (design rule 4).
#: Written by: cut_writer (a row per cut)
cut = sa.Table(
    "cut",
    metadata,
    sa.Column("cut", number, primary_key=True, autoincrement=False),
    sa.Column("run", number, nullable=False),
    sa.Column("logical_timestamp_start", sa.BigInteger),
    sa.Column("logical_timestamp_end", sa.BigInteger),
    sa.Column("mark", sa.BigInteger),
    sa.Column("size", sa.BigInteger, nullable=False),
)

#: What each cut says, and the sum behind it: quantity = on_hand - completed + added_back, never
#: below 0.
#: Written by: cut_writer (a row per key), retention (removes old cuts)
cut_item = sa.Table(
    "cut_item",
    metadata,
    sa.Column("cut", number, primary_key=True, autoincrement=False),
    *_key_columns(),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("completed", sa.BigInteger, nullable=False),
    sa.Column("added_back", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


def _taken(name: str) -> sa.Table:
    return sa.Table(
        name,
        temporary,
        sa.Column("batch", sa.Integer, nullable=False),
        *_key_columns(primary_key=False),
        sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
        sa.Column("event_id", text, nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        prefixes=["TEMPORARY"],
    )


#: The tap's units as they come. `batch`: how many STATEs came before them; units count only once
#: another STATE follows (design rule 3).
#: Written by: intake (units taken)
taken_unit = _taken("taken_unit")

#: The same for events not yet released.
#: Written by: intake (units taken)
taken_ahead_unit = _taken("taken_ahead_unit")

#: The ERP's rows as they are read.
#: Written by: erp_rows (rows of the source)
read_row = sa.Table(
    "read_row",
    temporary,
    *_key_columns(primary_key=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    prefixes=["TEMPORARY"],
)

#: Completions of the keys managed here that NewStore has not acknowledged, when they need more
#: than one cut.
#: Written by: cut_writer (all rows)
pending = sa.Table(
    "pending",
    temporary,
    *_key_columns(primary_key=False),
    sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)

#: Keys whose units say something new. `touched`: by a completion NewStore has not acknowledged;
#: otherwise only by units ahead of the mark.
#: Written by: planning (all rows)
moved = sa.Table(
    "moved",
    temporary,
    *_key_columns(),
    sa.Column("touched", sa.Boolean, nullable=False),
    sa.Column("lowest", sa.BigInteger, comment="logical timestamp of its pending completions"),
    sa.Column("highest", sa.BigInteger),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Keys this run sends. `touched` ones belong to a range; the others go out because their number is
#: new to NewStore. `quantity`: may still be negative here.
#: Written by: planning (all rows)
planned = sa.Table(
    "planned",
    temporary,
    *_key_columns(primary_key=False),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("completed", sa.BigInteger, nullable=False),
    sa.Column("added_back", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("touched", sa.Boolean, nullable=False),
    # On PostgreSQL the index would cost twice the rows themselves, for runs that mostly read them all once.
    sa.PrimaryKeyConstraint("fulfillment_node_id", "product_id").ddl_if(dialect="sqlite"),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
