"""The landing store's tables. Logical timestamps are int64 and order events; they are not times."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 2

metadata = sa.MetaData()
position_type = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: One row: the schema's version, and an identity for bookmarks to be compared with.
landing_store = sa.Table(
    "landing_store",
    metadata,
    sa.Column("store_id", sa.Text, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
)

#: One row per event of any kind; `body` is the text as NewStore sent it. Pruning empties the
#: body and keeps the row, so that a redelivery years later is still a duplicate.
fulfillment_event = sa.Table(
    "fulfillment_event",
    metadata,
    sa.Column("position", position_type, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("event_name", sa.Text, nullable=False),
    sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False, comment="epoch milliseconds, the store's clock"),
    sa.Column("body", sa.Text, comment="NULL: pruned"),
    sa.Index("fulfillment_event_by_timestamp", "logical_timestamp", "position"),
    sqlite_autoincrement=True,
)

#: Bodies answered 400, byte for byte, with the reason.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", position_type, primary_key=True, autoincrement=True),
    sa.Column("received_at", sa.BigInteger, nullable=False, comment="epoch milliseconds"),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

#: One row per pipeline that reads the store: the bookmark it last came back with, which is how
#: far its target has confirmed. Pruning never goes past any of them.
reader = sa.Table(
    "reader",
    metadata,
    sa.Column("reader_id", sa.Text, primary_key=True, comment="as in the pipeline's bookmark"),
    sa.Column("through", sa.BigInteger, nullable=False, comment="logical timestamp"),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False, comment="epoch milliseconds of its last run"),
)

#: At most one row: the highest logical timestamp of a completion that has been pruned (NULL: none).
#: No row: nobody has looked yet.
pruning = sa.Table(
    "pruning",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("completed_through", sa.BigInteger),
)

#: Which events came late, by position: a run that waited `waited_ms` had released a higher logical
#: timestamp before they arrived. A row is written before the event is first released, once for each
#: waiting time. Older programs ignore this table.
late_arrival = sa.Table(
    "late_arrival",
    metadata,
    sa.Column("number", position_type, primary_key=True, autoincrement=True),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("waited_ms", sa.BigInteger, nullable=False, comment="milliseconds"),
    sa.UniqueConstraint("position", "waited_ms"),
    sqlite_autoincrement=True,
)

#: Readings of the clock that stamps events, beside a clock that never jumps; see settling.py. Older
#: programs ignore this table.
clock_check = sa.Table(
    "clock_check",
    metadata,
    sa.Column("check_id", position_type, primary_key=True, autoincrement=True),
    sa.Column("clock", sa.Text, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False, comment="a boot of a host"),
    sa.Column("boot_ms", sa.BigInteger, nullable=False, comment="milliseconds since then"),
    sa.Column("wall_ms", sa.BigInteger, nullable=False, comment="epoch milliseconds by the clock"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="everything up to it had been stored by then"),
    sa.Index("clock_check_by_host", "clock", "boot_id", "boot_ms"),
    sqlite_autoincrement=True,
)
