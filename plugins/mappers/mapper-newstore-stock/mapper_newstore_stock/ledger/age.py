"""How long ago a run last did what it is for: the figures behind an alarm on silence.

A cut is known to be imported once a later run has read so in the Singer state. So two things tell a pipeline that
works from one that only runs, or no longer does: when a run last came as far as planning, whatever it found to do, and
when the first of the cuts was planned that no run knows to be imported.
"""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.queries import Table, acknowledged_cut
from mapper_newstore_stock.ledger.tables import cut, run, source

if t.TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("since", "minutes", "what")
SECONDS_PER_MINUTE = 60


def ages(connection: sa.Connection, now: dt.datetime) -> Table:
    """Return since when nothing has been planned, and since when a cut waits to be known as imported."""
    rows = [(since, _minutes(since, now), what) for since, what in _found(connection)]
    says = f"{rows[0][2]}: {rows[0][1]:g} minutes ago" if rows else "no run has ever begun"
    return Table(COLUMNS, rows, says)


def last_planned(connection: sa.Connection) -> str | None:
    """Return when the last run started that read the ERP's list and planned; None: none has."""
    return _started(connection, sa.select(sa.func.max(source.c.read_run)))


def waiting_since(connection: sa.Connection) -> str | None:
    """Return when the first run started of whose cuts one is not known to be imported; None: all are."""
    return _started(connection, sa.select(sa.func.min(cut.c.run)).where(cut.c.cut > acknowledged_cut(connection)))


def confirmed_import(connection: sa.Connection) -> str | None:
    """Return when the run started that planned the last cut known to be imported; None: none is."""
    return _started(connection, sa.select(cut.c.run).where(cut.c.cut == acknowledged_cut(connection)))


def _found(connection: sa.Connection) -> Iterator[tuple[str, str]]:
    """Yield since when, and what; the oldest first."""
    planned = last_planned(connection)
    first = _started(connection, sa.select(sa.func.min(run.c.run)))
    found = [
        (waiting_since(connection), "a run planned a cut that no later run has seen imported"),
        (planned, "the last run that read the ERP's list and planned"),
        (None if planned else first, "the first run; none has planned yet"),
    ]
    yield from sorted((since, what) for since, what in found if since)


def _started(connection: sa.Connection, which: sa.Select[tuple[int]]) -> str | None:
    """Return when a run started."""
    return connection.scalar(sa.select(run.c.started_at).where(run.c.run == which.scalar_subquery()))


def _minutes(since: str, now: dt.datetime) -> float:
    return round((now - dt.datetime.fromisoformat(since)).total_seconds() / SECONDS_PER_MINUTE, 1)
