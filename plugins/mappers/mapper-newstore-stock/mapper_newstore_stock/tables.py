"""The ledger's tables. Logical timestamps are int64 and order events; they are not times."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 1

metadata = sa.MetaData()
number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key_columns(*, primary_key: bool) -> list[sa.Column[str]]:
    return [
        sa.Column("fulfillment_node_id", sa.Text, primary_key=primary_key, nullable=False),
        sa.Column("product_id", sa.Text, primary_key=primary_key, nullable=False),
    ]


#: One row: the schema's version.
ledger = sa.Table("ledger", metadata, sa.Column("schema_version", sa.Integer, primary_key=True))

#: One row per run of the mapper: who it is, and how far it has taken the tap's events.
run = sa.Table(
    "run",
    metadata,
    sa.Column("run", number, primary_key=True, autoincrement=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False, comment="ISO 8601, UTC"),
    sa.Column("taken_through", sa.BigInteger, comment="the tap's bookmark: logical timestamp"),
    sa.Column("taken_position", sa.BigInteger, comment="the tap's bookmark: arrival position"),
    sa.Column("taken_store_id", sa.Text, comment="the landing store the position belongs to"),
    sqlite_autoincrement=True,
)

#: Units that left a shelf, per event and product. `late`: the event came below the tap's
#: bookmark of an earlier run. `cut`: the last cut that carried it (none yet: NULL).
completed_unit = sa.Table(
    "completed_unit",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("product_id", sa.Text, primary_key=True),
    sa.Column("fulfillment_node_id", sa.Text, nullable=False),
    sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("run", number, nullable=False),
    sa.Column("cut", number),
    sa.Index("completed_unit_by_key", "fulfillment_node_id", "product_id", "logical_timestamp"),
    sa.Index("completed_unit_by_cut", "cut"),
)

#: The ERP's rows as last read. `as_of_logical_timestamp`: the highest timestamp the number
#: contains (NULL: none). `changed_run`: the run that last saw the row change.
on_hand = sa.Table(
    "on_hand",
    metadata,
    *_key_columns(primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("changed_run", number, nullable=False),
)

#: The ERP's rows while they are being read; empty between runs.
on_hand_read = sa.Table(
    "on_hand_read",
    metadata,
    *_key_columns(primary_key=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
)

#: Keys the current run sends; empty between runs. `touched`: a completion not yet
#: acknowledged moved it; other keys go out because their number is new to NewStore.
planned = sa.Table(
    "planned",
    metadata,
    *_key_columns(primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False, comment="before a negative one becomes 0"),
    sa.Column("touched", sa.Boolean, nullable=False),
)

#: One row per cut ever planned. It is written before the cut is sent, so that the mark
#: also remembers what was only tried (design rule 4).
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

#: What each cut says.
cut_item = sa.Table(
    "cut_item",
    metadata,
    sa.Column("cut", number, primary_key=True),
    *_key_columns(primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False),
)

#: What was last sent for each key, and in which cut.
stock = sa.Table(
    "stock",
    metadata,
    *_key_columns(primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("cut", number, nullable=False),
)
