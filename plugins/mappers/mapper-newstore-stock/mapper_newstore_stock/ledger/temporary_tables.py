"""The ledger's temporary tables: those of one connection, which go with it.

The module opening creates and empties all of them.
"""

from __future__ import annotations

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import (
    key_columns,
    number,
    reference_columns,
    text,
    unit_columns,
    unit_key_columns,
)

temporary = sa.MetaData()


def _taken(name: str) -> sa.Table:
    return sa.Table(
        name,
        temporary,
        sa.Column("batch", sa.Integer, nullable=False),
        *key_columns(primary_key=False),
        sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
        sa.Column("event_id", text, nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        prefixes=["TEMPORARY"],
    )


def _group_columns() -> tuple[sa.schema.SchemaItem, ...]:
    """Return what equal units have in common; on PostgreSQL an index would cost more than it saves."""
    names = ("reference", "product_id", "fulfillment_node_id")
    key = sa.PrimaryKeyConstraint(*names).ddl_if(dialect="sqlite")
    return (*(sa.Column(name, text, nullable=False) for name in names), key)


#: The tap's units as they come. `batch`: how many STATEs came before them; units count only once
#: another STATE follows (design rule 3).
#: Written by: intake (units taken)
taken_unit = _taken("taken_unit")

#: The same for events not yet released.
#: Written by: intake (units taken)
taken_ahead_unit = _taken("taken_ahead_unit")

#: Units, with their hashes: ones that are to be folded away, or may have been.
#: Written by: folded_units (units taken), retention (units to fold)
hashed_unit = sa.Table(
    "hashed_unit",
    temporary,
    *unit_columns()[:4],
    sa.Column("hash", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: What the tap's events say of themselves, where the form of proof needs it.
#: Written by: intake (events as they come)
taken_reference = sa.Table(
    "taken_reference",
    temporary,
    sa.Column("event_id", text, nullable=False),
    *reference_columns(),
    prefixes=["TEMPORARY"],
)

#: The ERP's rows as they are read. `as_of`: a logical timestamp (form `column`), or epoch milliseconds (`taken_at`).
#: Written by: erp_rows (rows of the source), list_reading (rows of a file), folded_rows (removes rows that went back),
#: source_rows (empties it), lists (empties it)
read_row = sa.Table(
    "read_row",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("as_of", sa.BigInteger),
    prefixes=["TEMPORARY"],
)

#: Keys of lines that the list of the last run had and this one has not, where only what differs is read.
#: Written by: list_reading (all rows), absent_rows (removes those that came back), source_rows (empties it),
#: lists (empties it)
gone_row = sa.Table("gone_row", temporary, *key_columns(primary_key=False), prefixes=["TEMPORARY"])

#: Rows of the list that give their key no number, and why.
#: Written by: erp_rows (rows of the source), folded_rows (rows that went back), source_rows (empties it),
#: lists (empties it)
unusable_row = sa.Table(
    "unusable_row",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("source", text, nullable=False, comment="'': of the list that is being read, or of the only source"),
    prefixes=["TEMPORARY"],
)

#: Keys a source lists at nodes that it does not own.
#: Written by: erp_rows (rows of the source), source_rows (empties it), lists (empties it)
foreign_row = sa.Table(
    "foreign_row",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("source", text, nullable=False),
    prefixes=["TEMPORARY"],
)

#: The ERP's bookings as they are read. `reference`: an event, a request or an order.
#: Written by: booking_lists (rows of the source, or of `asked_reference`), booked_units (empties it)
read_booking = sa.Table(
    "read_booking",
    temporary,
    sa.Column("reference", text, nullable=False),
    sa.Column("product_id", text, comment="NULL: every product of the event"),
    sa.Column("fulfillment_node_id", text, comment="NULL: not said"),
    sa.Column("units", sa.BigInteger, comment="NULL: every unit of the event"),
    prefixes=["TEMPORARY"],
)

#: What bookings are looked at by, where only they can prove something new.
#: Written by: booking_lists (all rows)
asked_reference = sa.Table(
    "asked_reference",
    temporary,
    sa.Column("reference", text, primary_key=True),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Bookings added up. Product or node '': not said, or all of them.
#: Written by: booked_groups (all rows)
listed_group = sa.Table(
    "listed_group",
    temporary,
    *_group_columns(),
    sa.Column("units", sa.BigInteger, comment="NULL: every unit of the event"),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: The units the ledger knows, added up as the ERP's bookings are: of equal units only the number counts.
#: `booked`: how many are proven, by earlier runs; `folded`: how many of them are folded away. `first_open`: the
#: lowest logical timestamp of a unit that is not wholly proven; `last_booked`: the highest of one that is in part.
#: Written by: booked_groups (all rows)
known_group = sa.Table(
    "known_group",
    temporary,
    *_group_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("booked", sa.BigInteger, nullable=False),
    sa.Column("folded", sa.BigInteger, nullable=False),
    sa.Column("first_open", sa.BigInteger),
    sa.Column("last_booked", sa.BigInteger),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Groups with other units proven than before. `booked`: how many are now, without those folded away; `units`: of how
#: many.
#: Written by: booked_groups (all rows)
changed_group = sa.Table(
    "changed_group",
    temporary,
    *_group_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("booked", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Units whose proof has changed since the last run, with what is proven now.
#: Written by: booked_units (units as compared), source_rows (empties it)
newly_booked = sa.Table(
    "newly_booked",
    temporary,
    *unit_columns(),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Completions of the keys managed here that NewStore has not acknowledged, when they need more than one cut.
#: Written by: cut_writer (all rows)
pending = sa.Table(
    "pending",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)

#: Keys whose units say something new. `touched`: by a completion NewStore has not acknowledged; otherwise only by units
#: ahead of the mark. `new_units`: of completions that no cut has carried before.
#: Written by: candidates (all rows), planning (empties it)
moved = sa.Table(
    "moved",
    temporary,
    *key_columns(),
    sa.Column("touched", sa.Boolean, nullable=False),
    sa.Column("lowest", sa.BigInteger, comment="logical timestamp of its pending completions"),
    sa.Column("highest", sa.BigInteger),
    sa.Column("new_units", sa.BigInteger),
    sa.Column("is_numbered", sa.Boolean, comment="all its completions have the number of the run's first cut"),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Touched keys that have no usable row. `is_held`: no range may cover their completions.
#: Written by: held_keys (all rows), planning (empties it)
without_row = sa.Table(
    "without_row",
    temporary,
    *key_columns(),
    sa.Column("is_held", sa.Boolean, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Completed units that no range has covered once this run's are: NewStore goes on subtracting them.
#: Written by: planning (all rows)
uncovered_unit = sa.Table(
    "uncovered_unit",
    temporary,
    *unit_key_columns(),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: What `held_key` is to say after this run.
#: Written by: held_keys (all rows)
noticed = sa.Table(
    "noticed",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    prefixes=["TEMPORARY"],
)

#: Keys this run sends. `touched` ones belong to a range; the others go out because their number is
#: new to NewStore. `quantity`: may still be negative here. `gained`: how many units more than the number last sent
#: leaves, its new completions aside (NULL: none was sent); `sent_cut`: the cut that sent it.
#: Written by: planning (all rows)
planned = sa.Table(
    "planned",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("as_of_logical_timestamp", sa.BigInteger),
    sa.Column("completed", sa.BigInteger, nullable=False),
    sa.Column("added_back", sa.BigInteger, nullable=False),
    sa.Column("quantity", sa.BigInteger, nullable=False),
    sa.Column("touched", sa.Boolean, nullable=False),
    sa.Column("vanished", sa.Boolean, nullable=False),
    sa.Column("new_units", sa.BigInteger, nullable=False),
    sa.Column("gained", sa.BigInteger),
    sa.Column("sent_cut", number),
    # On PostgreSQL the index would cost twice the rows themselves, for runs that mostly read them all once.
    sa.PrimaryKeyConstraint("fulfillment_node_id", "product_id").ddl_if(dialect="sqlite"),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

#: Units that this run's numbers bring back, each with the run that had lowered the number by them. `settled`: those of
#: completions that no cut has carried before. `vanished`: that run sent 0 for want of a row. `rest`: by what it
#: had lowered the number beyond them.
#: Written by: hidden_units (all rows)
dated = sa.Table(
    "dated",
    temporary,
    *key_columns(primary_key=False),
    sa.Column("run", number, nullable=False),
    sa.Column("vanished", sa.Boolean, nullable=False),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger, nullable=False),
    sa.Column("rest", sa.BigInteger, nullable=False),
    prefixes=["TEMPORARY"],
)
