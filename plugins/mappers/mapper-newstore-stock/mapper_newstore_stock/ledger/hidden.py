"""Units hidden from sale, by day and cause: the view `hidden`, of ledgers that have it."""

from __future__ import annotations

import sqlalchemy as sa


def hidden_units(connection: sa.Connection) -> list[tuple[str, str, float]]:
    """Return day, cause and unit-minutes, the newest day first; empty: this ledger has no such view."""
    if "hidden" not in sa.inspect(connection).get_view_names():
        return []
    view = sa.table("hidden", sa.column("day"), sa.column("cause"), sa.column("unit_minutes"))
    query = sa.select(view.c.day, view.c.cause, view.c.unit_minutes).order_by(view.c.day.desc(), view.c.cause)
    return [(str(day), str(cause), float(minutes)) for day, cause, minutes in connection.execute(query.limit(200))]
