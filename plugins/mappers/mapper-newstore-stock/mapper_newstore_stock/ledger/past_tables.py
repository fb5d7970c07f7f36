"""The ledger's tables of what it no longer knows unit by unit: folded away, or pruned; and of whose it is."""

from __future__ import annotations

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import key_columns, metadata, number, text

#: Sums of the units folded away. `through`: the highest timestamp among them; `published_through`: the latest
#: publication (epoch milliseconds). An ERP row must contain both, as far as its form of proof knows them.
#: Written by: retention (folds)
folded = sa.Table(
    "folded",
    metadata,
    *key_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("through", sa.BigInteger, nullable=False),
    sa.Column("published_through", sa.BigInteger),
    sqlite_with_rowid=False,
)

#: The hashes of the units folded away (retention.unit_hash), so that they are known when they come again.
#: Written by: retention (folds)
folded_unit = sa.Table("folded_unit", metadata, sa.Column("hash", number, primary_key=True, autoincrement=False))

#: Booked units that were folded away: what the ERP lists of them proves no other unit of their group.
#: `unlisted_run`: the first run since which the ERP has not listed them (NULL: it does, or nobody has looked).
#: Written by: retention (folds, unlisted_run, forgets)
folded_booking = sa.Table(
    "folded_booking",
    metadata,
    sa.Column("reference", text, primary_key=True),
    *key_columns(),
    sa.Column("units", sa.BigInteger, nullable=False),
    sa.Column("unlisted_run", number),
    sqlite_with_rowid=False,
)

#: At most one row: the landing store had pruned completions up to `through` before this ledger took
#: all of them. An ERP row must contain them. `some_late`: late ones may be among them, so the row must say more than
#: was known by then. Older ledgers get the table when they are opened.
#: Written by: pruned_past (the row)
unknown_past = sa.Table(
    "unknown_past",
    metadata,
    sa.Column("through", sa.BigInteger, nullable=False),
    sa.Column("some_late", sa.Boolean, nullable=False, server_default=sa.false()),
)

#: At most one row: whose events this ledger has taken, once one of them said so. Older ledgers get the table when they
#: are opened.
#: Written by: one_tenant (the row)
tenant = sa.Table("tenant", metadata, sa.Column("name", text, primary_key=True))


def add_missing(connection: sa.Connection) -> None:
    """Add the tables that older ledgers get when they are opened; the caller commits."""
    for table in (unknown_past, tenant):
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
