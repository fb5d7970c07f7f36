"""The ledger's tables. Logical timestamps are int64 and order events; they are not times.

On SQLite the large ones are clustered by their primary key (WITHOUT ROWID), so writing in key order
stays cheap however large they grow. "Written by" names the modules that write a table, and what they
write; a test compares it with the code.
"""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 5

metadata = sa.MetaData()
number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


#: Compared byte by byte on both databases: comparing by a language's rules costs PostgreSQL much more.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def key_columns(*, primary_key: bool = True) -> list[sa.Column[str]]:
    """Return the columns of a key: a fulfillment node and a product."""
    return [
        sa.Column("fulfillment_node_id", text, primary_key=primary_key, nullable=False),
        sa.Column("product_id", text, primary_key=primary_key, nullable=False),
    ]


def unit_key_columns() -> list[sa.Column[str] | sa.Column[int]]:
    """Return what tells units apart, the key first: those of one key are then stored together, in timestamp order."""
    return [
        *key_columns(),
        sa.Column("logical_timestamp", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("event_id", text, primary_key=True),
    ]


def unit_columns() -> list[sa.Column[str] | sa.Column[int]]:
    """Return a unit's columns."""
    return [*unit_key_columns(), sa.Column("units", sa.Integer, nullable=False)]


def reference_columns() -> list[sa.Column[str] | sa.Column[int]]:
    """What a unit can be proven by; filled as far as the form of proof needs it."""
    return [
        sa.Column("published_at", sa.BigInteger, comment="epoch milliseconds, NewStore's clock"),
        sa.Column("fulfillment_request_id", text),
        sa.Column("order_id", text),
    ]


def _booked_column() -> sa.Column[int]:
    return sa.Column("booked", sa.Integer, nullable=False, server_default="0", comment="units the ERP has proven")


#: One row. `ledger_id`: tells this ledger from any other, even from a new one in its place.
#: `horizon`: highest timestamp of the units that earlier versions folded away without a trace (NULL: none).
#: Written by: opening (the row), upgrade (version), moved (version), retention (folded_at)
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("ledger_id", sa.Text, nullable=False),
    sa.Column("horizon", sa.BigInteger),
    sa.Column("folded_at", sa.Text, comment="ISO 8601, UTC"),
)

#: A source of the ERP's rows, as it was last read; the only one of a flat configuration has the name "".
#: `proof`: how its rows prove what they contain; when that changes, every number is computed anew. `read_run`: the
#: run that read them. `taken_at`: when its numbers were taken, as far as that is known, else when they were read.
#: `cursor`: how far its changes had been read then (changed_rows.Kept). `full_read_at`: when all its rows were read.
#: Written by: source_reads (a row per source), given_rows (proof, forgets), upgrade (the row of earlier versions)
source = sa.Table(
    "source",
    metadata,
    sa.Column("name", text, primary_key=True),
    sa.Column("proof", sa.Text, comment="JSON"),
    sa.Column("cursor", sa.Text, comment="JSON: values of on_hand_updated_column"),
    sa.Column("read_run", number),
    sa.Column("taken_at", sa.BigInteger, comment="epoch milliseconds"),
    sa.Column("full_read_at", sa.BigInteger, comment="epoch milliseconds"),
    sa.Column("list", sa.Text, comment="JSON: what the kept lists of the last run must be"),
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
#: Written by: intake (new units), cut_writer (cut), candidates (cut of what no range covers), booked_units (booked),
#: given_rows (booked), retention (folds)
completed_unit = sa.Table(
    "completed_unit",
    metadata,
    *unit_columns(),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("run", number, nullable=False),
    sa.Column("cut", number),
    *reference_columns(),
    _booked_column(),
    sqlite_with_rowid=False,
)

#: Late units the ERP's row may not contain yet: it stands as it stood when they came. `quantity` (NULL: the row has
#: not been read since) and `as_of_logical_timestamp` are the row then.
#: Written by: late_units (all rows), retention (removes folded ones), upgrade (those of version 3)
late_unit = sa.Table(
    "late_unit",
    metadata,
    *unit_key_columns(),
    sa.Column("quantity", sa.BigInteger),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sqlite_with_rowid=False,
)

#: How many of a key's units its last row contained when the list lacked the key for the first time: so much the row
#: proves until there is another one (forms `current` and `booked`, which say it of all rows at once).
#: Written by: standing_rows (all rows)
standing_unit = sa.Table(
    "standing_unit",
    metadata,
    *unit_key_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Units known ahead of the tap's release mark, since `run`. They count in no mark and no range. They become
#: completed units when they are released or when the mark reaches them.
#: Written by: intake (new units; removes completed ones), booked_units (booked), given_rows (booked)
ahead_unit = sa.Table(
    "ahead_unit",
    metadata,
    *unit_columns(),
    *reference_columns(),
    _booked_column(),
    sa.Column("run", number, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

#: Timestamps below the mark that no range has ever covered: NewStore still subtracts their completions (design
#: rules 13 and 18).
#: Written by: claims (all rows)
unclaimed = sa.Table(
    "unclaimed", metadata, sa.Column("logical_timestamp", sa.BigInteger, primary_key=True, autoincrement=False)
)

#: Keys whose number is not what their completions and a row of today's list make it. `kind`: `held`, nothing is sent;
#: `stale`, the last row stands; `vanished`, 0 was sent.
#: Written by: held_keys (all rows)
held_key = sa.Table(
    "held_key",
    metadata,
    *key_columns(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", sa.Text, nullable=False, comment="ISO 8601, UTC"),
    sqlite_with_rowid=False,
)

#: The ERP's rows as last read, and what was last sent for them. `as_of_logical_timestamp`: the
#: timestamp up to which the number contains every completion (NULL: none). `changed_run`: the first run
#: in which the row may have changed since rows were last read. `sent_quantity`, `sent_cut`: NULL until the
#: key is first sent; a number without a cut goes out again with the next run. `source`: whose row it is. `absence`:
#: why the last list read has no usable row of the key ("": it has one).
#: Written by: erp_rows (rows as read), absent_rows (absence), standing_rows (taken_at), given_rows (source,
#: taken_at), sent_numbers (sent_quantity, sent_cut), repair (takes sent_cut away)
on_hand = sa.Table(
    "on_hand",
    metadata,
    *key_columns(),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("changed_run", number, nullable=False),
    sa.Column("sent_quantity", sa.BigInteger),
    sa.Column("sent_cut", number),
    sa.Column("taken_at", sa.BigInteger, comment="epoch milliseconds, the ERP's clock"),
    sa.Column("source", text, nullable=False, server_default=""),
    sa.Column("absence", sa.Text, nullable=False, server_default="", comment="vanished, unusable or ignored"),
    sqlite_with_rowid=False,
)

#: The condition for rows of keys the last list has; written as text, or a partial index would not be used.
is_present = on_hand.c.absence == sa.literal_column("''")
#: The condition for the few rows of keys it does not have.
is_absent = on_hand.c.absence != sa.literal_column("''")
#: As text, too: an `sa.Index` with a condition for both databases imports both dialects at every start.
INDEX_OF_ABSENT = "CREATE INDEX IF NOT EXISTS absent_row ON on_hand (absence) WHERE absence != ''"


@sa.event.listens_for(on_hand, "after_create")
def _add_to_on_hand(_table: sa.Table, connection: sa.Connection, **_options: object) -> None:
    """Index the rows that are absent, and leave half of each page free.

    PostgreSQL then updates rows in place (HOT) without touching an index.
    """
    connection.exec_driver_sql(INDEX_OF_ABSENT)
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
    *key_columns(),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("completed", sa.BigInteger, nullable=False),
    sa.Column("added_back", sa.BigInteger, nullable=False),
    sa.Column("vanished", sa.Boolean, nullable=False, server_default=sa.false(), comment="sent as 0: no row"),
    sqlite_with_rowid=False,
)

#: Units times minutes that NewStore hid from sale, as a run found them out (run/hidden_units says what counts as
#: hidden). `day`: the day they were hidden on, UTC. `units`: how many the run found; in the row of its own day only.
#: Written by: hidden_units (all rows), retention (removes old ones)
hidden_unit = sa.Table(
    "hidden_unit",
    metadata,
    sa.Column("run", number, primary_key=True, autoincrement=False),
    sa.Column("day", text, primary_key=True, comment="ISO 8601, UTC"),
    sa.Column("cause", text, primary_key=True),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("unit_minutes", sa.Float, nullable=False),
    sqlite_with_rowid=False,
)

#: By how many units a run lowered a key's number beyond the completions it covered. They are lost goods, or units
#: hidden since that run, if the number comes back without the ERP's growing. `vanished`: 0 was sent for want of a row.
#: Written by: hidden_units (all rows), retention (removes old ones)
lowered_key = sa.Table(
    "lowered_key",
    metadata,
    *key_columns(),
    sa.Column("run", number, primary_key=True, autoincrement=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("vanished", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,
)
