"""Where an event, or an order, is now: each of its units, from the tap's hand to NewStore's confirmation."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import NotKnownError
from mapper_newstore_stock.ledger.history import confirmed_at
from mapper_newstore_stock.ledger.landing import events_of, landed
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.queries import Table
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut, cut_item, held_key, run, unclaimed

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.ledger.landing import Landed

COLUMNS = (
    "fulfillment_node_id",
    "product_id",
    "event_id",
    "order_id",
    "logical_timestamp",
    "units",
    "stage",
    "taken_at",
    "cut",
    "quantity",
    "confirmed_at",
    "why",
    "received_at",
)
#: A row of an event without units here: its identity, no key.
_NO_KEY = (None, None)


class Asked(t.NamedTuple):
    """What is asked for: an event, or an order; the other one is None."""

    event_id: str | None = None
    order_id: str | None = None


def whereabouts(
    connection: sa.Connection, asked: Asked, landing: sa.Connection | None = None, settle_seconds: int | None = None
) -> Table:
    """Return where the units of an event or an order are.

    `stage` is `set aside`, `received` (in the landing store), `settled` (the same for `settle_seconds`), `released`
    (the tap has passed it, and no unit of it is here), `ahead` (known, not released), `uncovered` (no range covers its
    timestamp), `held` (its key is), `sent` (in a cut that is not confirmed) or `confirmed` (NewStore has imported the
    cut).

    Args:
        connection: To the ledger, for reading.
        asked: The event or the order.
        landing: To the landing store, for reading; None: what lies before the ledger is not known.
        settle_seconds: How long the tap lets an event wait (its setting); None: not known.

    Raises:
        LedgerError: neither of them knows it; says where else to look.
    """
    of_order = events_of(landing, asked.order_id) if landing is not None and asked.order_id is not None else []
    events = [asked.event_id] if asked.event_id is not None else of_order
    rows = [
        *_completed(connection, _named(completed_unit, asked, events)),
        *_ahead(connection, _named(ahead_unit, asked, events)),
    ]
    if landing is not None:
        rows = _with_landed(landing, rows, events, settle_seconds)
    if not rows:
        raise NotKnownError(
            _not_here(connection, asked, landing is not None),
            "Check how it is spelt; after ledger_keep_days the ledger forgets",
        )
    event_id, order_id = asked
    name = f"event {event_id}" if event_id is not None else f"order {order_id}"
    stages = ", ".join(f"{sum(row[6] == stage for row in rows)} {stage}" for stage in dict.fromkeys(r[6] for r in rows))
    return Table(COLUMNS, rows, f"{name}: {stages}")


def _named(table: sa.Table, asked: Asked, events: Sequence[str]) -> sa.ColumnElement[bool]:
    of_events = table.c.event_id.in_(events)
    return of_events if asked.order_id is None else sa.or_(table.c.order_id == asked.order_id, of_events)


def _with_landed(
    landing: sa.Connection, rows: list[tuple[t.Any, ...]], events: Sequence[str], settle_seconds: int | None
) -> list[tuple[t.Any, ...]]:
    """Return rows with when their events came, and rows of events that have no units here."""
    now = dt.datetime.now(tz=dt.UTC)
    places = dict.fromkeys([*events, *(row[2] for row in rows)])
    found = {event_id: landed(landing, event_id, now) for event_id in places}
    known = {row[2] for row in rows}
    shown = [(*row[:-1], one.received_at if (one := found[row[2]]) else None) for row in rows]
    return shown + [_landed_row(one, settle_seconds) for one in found.values() if one and one.event_id not in known]


def _landed_row(event: Landed, settle_seconds: int | None) -> tuple[t.Any, ...]:
    if event.set_aside:
        stage, why = "set aside", event.set_aside
    elif event.is_passed:
        stage, why = (
            "released",
            "no unit of it is in this ledger: none left a shelf with it, or this ledger is another's",
        )
    elif settle_seconds is not None and event.age >= settle_seconds:
        stage, why = "settled", "the next run takes it, once all before it have settled too"
    else:
        stage, why = "received", "a run takes it once it has settled (settle_seconds)"
    key = (*_NO_KEY, event.event_id, None, event.logical_timestamp, None)
    return (*key, stage, None, None, None, None, why, event.received_at)


def _not_here(connection: sa.Connection, asked: Asked, has_asked_landing: bool) -> str:
    event_id, order_id = asked
    if has_asked_landing:
        name = f"event {event_id}" if event_id is not None else f"order {order_id}"
        return f"neither the ledger nor the landing store knows {name}: it has not come, or was forgotten"
    through = connection.scalar(sa.select(sa.func.max(run.c.taken_through)))
    taken = f"completions up to logical timestamp {through} have been taken from the tap"
    elsewhere = "--landing-url names the store that knows what waits there, or was set aside (quarantine list)"
    if event_id is not None:
        return f"the ledger has no units of event {event_id}; {taken}. {elsewhere}"
    keeps = sa.select(completed_unit.c.event_id).where(completed_unit.c.order_id.is_not(None)).limit(1)
    if connection.execute(keeps).first() is None:
        return (
            f"the ledger does not keep the orders of its units (on_hand_as_of `taken_at` and `booked` do), so nothing "
            f"is known of order {order_id}; name the landing store (--landing-url), or ask for its events with --event"
        )
    return f"the ledger has no units of order {order_id}; {taken}. {elsewhere}"


def _completed(connection: sa.Connection, named: sa.ColumnElement[bool]) -> list[tuple[t.Any, ...]]:
    unit = completed_unit.c
    no_range = sa.exists().where(unclaimed.c.logical_timestamp == unit.logical_timestamp)
    held = sa.select(held_key.c.reason).where(same_key(held_key.c, unit), held_key.c.kind == "held").scalar_subquery()
    # A range speaks of all keys, and of those that are not managed here too, which no cut carries.
    range_ = cut.alias()
    spans = unit.logical_timestamp.between(range_.c.logical_timestamp_start, range_.c.logical_timestamp_end)
    spanned_by = sa.select(sa.func.min(range_.c.cut)).where(spans).scalar_subquery()
    number = sa.func.coalesce(unit.cut, spanned_by)
    item = sa.and_(same_key(cut_item.c, unit), cut_item.c.cut == unit.cut)
    query = (
        sa.select(completed_unit, run.c.started_at, cut_item.c.quantity)
        .add_columns(cut.c.cut.label("carried_by"), cut.c.logical_timestamp_start, cut.c.logical_timestamp_end)
        .add_columns(no_range.label("no_range"), held.label("held"))
        .join(run, run.c.run == unit.run, isouter=True)
        .join(cut_item, item, isouter=True)
        .join(cut, cut.c.cut == number, isouter=True)
        .where(named)
        .order_by(unit.logical_timestamp, unit.fulfillment_node_id, unit.product_id)
    )
    return [_row(connection, line) for line in connection.execute(query).all()]


def _row(connection: sa.Connection, line: sa.Row[t.Any]) -> tuple[t.Any, ...]:
    planned = line.logical_timestamp_start is not None and (line.cut is not None or not line.no_range)
    moment = confirmed_at(connection, line.carried_by) if planned else None
    late = "came late; " if line.late else ""
    if line.held is not None and (line.cut is None or not planned):
        stage, why = "held", f"its key is held: {line.held}"
    elif line.no_range or not planned:
        stage, why = "uncovered", "no range covers it, NewStore goes on subtracting it"
    else:
        stage = "sent" if moment is None else "confirmed"
        why = f"in the range {line.logical_timestamp_start}-{line.logical_timestamp_end}"
        why += "; no number of its key was sent with it" if line.cut is None else ""
    key = (line.fulfillment_node_id, line.product_id, line.event_id, line.order_id, line.logical_timestamp, line.units)
    number = line.carried_by if planned else None
    return (*key, stage, line.started_at, number, line.quantity, moment, f"{late}{why}", None)


def _ahead(connection: sa.Connection, named: sa.ColumnElement[bool]) -> list[tuple[t.Any, ...]]:
    unit = ahead_unit.c
    key = (unit.fulfillment_node_id, unit.product_id, unit.event_id, unit.order_id, unit.logical_timestamp, unit.units)
    query = sa.select(*key, run.c.started_at).join(run, run.c.run == unit.run, isouter=True).where(named)
    why = "known ahead of its release: no mark and no range has reached it"
    return [
        (*line[:6], "ahead", line[6], None, None, None, why, None)
        for line in connection.execute(query.order_by(unit.logical_timestamp, *key[:2]))
    ]
