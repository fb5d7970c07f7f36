"""The landing store's tables. Logical timestamps are int64 and order events; they are not times."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA_VERSION = 3

#: The logical timestamp of an event that was taken out of the store. Its row stays, so that its position is never given
#: out again; it is no mark, and it is never sent.
TAKEN_OUT = -(2**63)

#: Kinds of rows in quarantine: a body that is no event (its holes stay open), an event of another tenant, an event far
#: ahead of all others (it is also kept as an event), one of those that somebody has accepted, and what somebody has
#: discarded.
REFUSED, ANOTHER_TENANT, FAR_AHEAD, ACCEPTED = "refused", "another tenant", "far ahead", "accepted"
DISCARDED = "discarded"
#: What no longer waits for anybody. The row stays, without its body, so that what comes again is known.
DEALT_WITH = ACCEPTED, DISCARDED

#: The holes of an event that was taken out after every pipeline had confirmed it: without it nothing is missing.
NO_HOLES = "[]"

metadata = sa.MetaData()
position_type = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def timestamp_of(event_id: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return the logical timestamp that an event's identity ends with, as text."""
    before = sa.func.length(sa.func.rtrim(event_id, "-0123456789"))
    return sa.func.substr(event_id, before + 1, type_=sa.Text)


#: One row: the schema's version, an identity for bookmarks to be compared with, and whose events these are.
landing_store = sa.Table(
    "landing_store",
    metadata,
    sa.Column("store_id", sa.Text, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("tenant", sa.Text, comment="NULL: no event has named one yet"),
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

#: What is set aside, byte for byte, with the reason. Pruning may empty the body; a hole stays until somebody has dealt
#: with it, or the event itself has come. Without an event_id it may have been cut, and is never known as the same.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", position_type, primary_key=True, autoincrement=True),
    sa.Column("received_at", sa.BigInteger, nullable=False, comment="epoch milliseconds"),
    sa.Column("path", sa.Text, nullable=False, comment="of the post, or of the export file"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="empty: pruned"),
    sa.Column("kind", sa.Text, nullable=False, server_default=REFUSED),
    sa.Column("event_id", sa.Text, comment="of the event it is, or would have been; of a body that names none, a hash"),
    sa.Column("holes", sa.Text, comment="JSON: pairs of logical timestamps no range may cover; NULL: none is known"),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0", comment="of the body as it was received"),
    sa.Column("line", sa.BigInteger, comment="its number in the export file, from 1; NULL: it was posted"),
    sa.Column("looked_at", sa.BigInteger, comment="epoch milliseconds; NULL: nobody has looked at it"),
    sa.Index("quarantine_by_event", "event_id"),
    sa.Index("quarantine_by_kind", "kind"),
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

#: At most one row: the highest logical timestamp and the highest position of completions that have been pruned
#: (NULL: none).
#: No row: nobody has looked yet.
pruning = sa.Table(
    "pruning",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("completed_through", sa.BigInteger),
    sa.Column("completed_position", sa.BigInteger),
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

#: One row per replay that an audit asked NewStore for (design rule 16). Older programs ignore this table and those
#: below.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("integration_id", sa.Text, primary_key=True, comment="of the temporary integration"),
    sa.Column("starts_at", sa.BigInteger, nullable=False, comment="epoch milliseconds of publication"),
    sa.Column("ends_at", sa.BigInteger, nullable=False, comment="epoch milliseconds of publication"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="the last arrival before it began"),
    sa.Column("beat_at", sa.BigInteger, nullable=False, comment="epoch milliseconds: its process was alive then"),
    sa.Column("ended_at", sa.BigInteger, comment="epoch milliseconds; NULL: it runs, or was killed"),
    sa.Column("is_whole", sa.Integer, comment="1: all that was known of the period came again; NULL: it has not ended"),
    sa.Column("lost", sa.BigInteger, comment="how many events came that were not known; NULL: it has not ended"),
)

#: What NewStore delivered again to an audit that has not ended, each event once.
audited_event = sa.Table(
    "audited_event",
    metadata,
    sa.Column("number", position_type, primary_key=True, autoincrement=True),
    sa.Column("integration_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False, comment="a hash, for a refused body that names none"),
    sa.Column("logical_timestamp", sa.BigInteger, comment="NULL: a refused body without one"),
    sa.Column("was_known", sa.Integer, nullable=False, comment="0: it had been lost"),
    sa.UniqueConstraint("integration_id", "event_id"),
    sqlite_autoincrement=True,
)

#: One row per time that somebody saw acknowledged events gone.
loss = sa.Table(
    "loss",
    metadata,
    sa.Column("evidence", sa.Text, primary_key=True, comment="the event that was seen gone"),
    sa.Column("seen_at", sa.BigInteger, nullable=False, comment="epoch milliseconds"),
    sa.Column(
        "since", sa.BigInteger, nullable=False, comment="epoch milliseconds: what was published later may be gone"
    ),
    sa.Column("audited_at", sa.BigInteger, comment="epoch milliseconds; NULL: no audit has gone back that far yet"),
)

#: One row per export file whose events are all in the store, as long as the file exists.
export_file = sa.Table(
    "export_file",
    metadata,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True, comment="path below the prefix"),
    sa.Column(
        "version", sa.Text, nullable=False, comment="size, last write and checksum, as the object store lists them"
    ),
)
