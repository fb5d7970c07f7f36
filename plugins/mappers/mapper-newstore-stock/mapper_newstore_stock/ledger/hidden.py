"""Units hidden from sale, by day and cause: the view `hidden`, of ledgers that have it."""

from __future__ import annotations

import sqlalchemy as sa

COLUMNS = ("day", "cause", "unit_minutes")


def hidden_units(connection: sa.Connection) -> list[tuple[str, str, float]]:
    """Return day, cause and unit-minutes, the newest day first; empty: this ledger has no such view."""
    looked_at = sa.inspect(connection)
    if "hidden" not in looked_at.get_view_names():
        return []
    if not set(COLUMNS) <= {column["name"] for column in looked_at.get_columns("hidden")}:
        return []
    view = sa.table("hidden", *map(sa.column, COLUMNS))
    query = sa.select(*view.c).order_by(view.c.day.desc(), view.c.cause)
    return [(str(day), str(cause), float(minutes)) for day, cause, minutes in connection.execute(query.limit(200))]
