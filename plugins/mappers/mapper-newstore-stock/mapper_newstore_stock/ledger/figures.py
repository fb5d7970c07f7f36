"""What a ledger knows of how runs go, as figures for alarms."""

from __future__ import annotations

import collections
import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.age import confirmed_import, last_planned, waiting_since
from mapper_newstore_stock.ledger.hidden import hidden_lately
from mapper_newstore_stock.ledger.queries import acknowledged_cut
from mapper_newstore_stock.ledger.tables import completed_unit, cut, held_key, late_unit, on_hand, unclaimed

if t.TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("held", "stale", "vanished")


class Figure(t.NamedTuple):
    """One metric.

    Attributes:
        name: Its name.
        meaning: In a few words.
        values: By labels, as they are written; "": none.
    """

    name: str
    meaning: str
    values: dict[str, float]


def figures(connection: sa.Connection) -> Iterator[Figure]:
    """Yield all figures."""
    acknowledged = acknowledged_cut(connection)
    counted = sa.select(held_key.c.kind, sa.func.count()).group_by(held_key.c.kind)
    kinds = {kind: int(count) for kind, count in connection.execute(counted)}
    for name, meaning, value in (
        (
            "last_planned_timestamp_seconds",
            "Start of the last run that read the ERP's list and planned; 0: none has",
            _epoch(last_planned(connection)),
        ),
        (
            "unconfirmed_since_timestamp_seconds",
            "Start of the first run with a cut not known to be imported; 0: all are",
            _epoch(waiting_since(connection)),
        ),
        (
            "confirmed_import_timestamp_seconds",
            "Start of the run that planned the last cut known to be imported; 0: none is",
            _epoch(confirmed_import(connection)),
        ),
        ("last_cut", "Number of the last cut planned", connection.scalar(sa.select(sa.func.max(cut.c.cut))) or 0),
        ("acknowledged_cut", "Number of the last cut known to be imported", acknowledged),
        (
            "waiting_units",
            "Completed units that no import known to have ended answers for",
            _waiting_units(connection, acknowledged),
        ),
        ("late_units", "Late units that the ERP's rows may not contain yet", _count(connection, late_unit)),
        ("unclaimed_timestamps", "Logical timestamps that no range has covered", _count(connection, unclaimed)),
        ("on_hand_keys", "Keys of the ERP's lists", _count(connection, on_hand)),
    ):
        yield Figure(f"newstore_stock_{name}", meaning, {"": float(value or 0)})
    by_kind = {f'{{kind="{kind}"}}': float(kinds.get(kind, 0)) for kind in KINDS}
    by_cause = {f'{{cause="{cause}"}}': minutes for cause, minutes in hidden_lately(connection).items()}
    meaning = (
        "Units times minutes hidden from sale, as the runs of the 24 hours up to the last run found them, by cause"
    )
    yield Figure("newstore_stock_hidden_unit_minutes", meaning, by_cause)
    yield Figure("newstore_stock_keys", "Keys without a number of their own, by kind", by_kind)


def _waiting_units(connection: sa.Connection, acknowledged: int) -> int:
    """Return how many completed units no range of an acknowledged cut covers.

    A range speaks of all keys, and of those that are not managed here too, which no cut carries.
    """
    unit = completed_unit.c
    units = sa.func.sum(unit.units)
    waiting = int(connection.scalar(sa.select(units).where(unit.cut > acknowledged)) or 0)
    ends = (cut.c.logical_timestamp_start, cut.c.logical_timestamp_end)
    known = sa.select(*ends).where(cut.c.cut <= acknowledged, ends[0].is_not(None)).order_by(*ends)
    ranges = collections.deque(connection.execute(known))
    left_out = set(connection.scalars(sa.select(unclaimed.c.logical_timestamp)))
    carried_by_none = sa.select(unit.logical_timestamp, units).where(unit.cut.is_(None))
    through = -1
    query = carried_by_none.group_by(unit.logical_timestamp).order_by(unit.logical_timestamp)
    for timestamp, count in connection.execute(query, execution_options={"yield_per": 10_000}):
        while ranges and ranges[0][0] <= timestamp:
            through = max(through, ranges.popleft()[1])
        if timestamp > through or timestamp in left_out:
            waiting += int(count)
    return waiting


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _epoch(moment: str | None) -> float:
    return dt.datetime.fromisoformat(moment).timestamp() if moment else 0.0
