"""What the landing store says of events: the part of their way that lies before the ledger.

The store is the tap's (its schema version 3 and later); a few of its columns are read here, and nothing is written.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import typing as t
from pathlib import Path

import sqlalchemy as sa

from mapper_newstore_stock.errors import LandingStoreError
from mapper_newstore_stock.ledger.database import open_engine, short

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_event = sa.table(
    "fulfillment_event",
    *map(sa.column, ("event_id", "event_name", "logical_timestamp", "received_at", "position", "body")),
)
_quarantine = sa.table("quarantine", *map(sa.column, ("id", "event_id", "kind", "reason", "received_at")))
_reader = sa.table("reader", *map(sa.column, ("through", "position")))
#: In quarantine, and yet sent: somebody has accepted it.
_ACCEPTED = "accepted"
#: The logical timestamp of an event that was taken out.
_TAKEN_OUT = -(2**63)
_PLACE = "--landing-url"


class Landed(t.NamedTuple):
    """An event in the landing store.

    Attributes:
        event_id: As the tap names it.
        logical_timestamp: An int64, not a time; None: it was taken out, or cannot be read.
        received_at: ISO 8601, UTC, by the store's clock.
        age: Seconds since then.
        is_passed: A pipeline has confirmed a bookmark beyond it.
        set_aside: Why it is in quarantine; empty: it is not.
    """

    event_id: str
    logical_timestamp: int | None
    received_at: str
    age: float
    is_passed: bool
    set_aside: str = ""


@contextlib.contextmanager
def landing(url: str) -> Iterator[sa.Connection]:
    """Connect to a landing store.

    Raises:
        LandingStoreError: there is none, or it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        with _its_errors():
            engine = open_engine(url)
            path = engine.url.database if engine.dialect.name == "sqlite" else None
            if path and not Path(path).exists():
                raise LandingStoreError(f"{_PLACE}: there is no file {path}", "Correct it; the receiver makes the file")
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
        yield connection


@contextlib.contextmanager
def _its_errors() -> Iterator[None]:
    """Turn what goes wrong with the store into errors that name it."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise LandingStoreError(
            f"{_PLACE}: cannot read the landing store: {short(error)}", "Correct it, or start its database"
        ) from error


@_its_errors()
def events_of(connection: sa.Connection, order_id: str) -> list[str]:
    """Return the events of an order, in timestamp order; all bodies that are kept are looked through.

    Raises:
        LandingStoreError: the store cannot be read.
    """
    # A quote in an order's id is written with a backslash.
    text = json.dumps(order_id)
    query = sa.select(_event.c.event_id, _event.c.body).where(_event.c.body.contains(text, autoescape=True))
    rows = connection.execute(query.order_by(_event.c.logical_timestamp, _event.c.position))
    return [row.event_id for row in rows if order_id in _orders(json.loads(row.body))]


@_its_errors()
def landed(connection: sa.Connection, event_id: str, now: dt.datetime) -> Landed | None:
    """Return what the landing store says of an event; None: it has not come.

    Raises:
        LandingStoreError: the store cannot be read.
    """
    of_it = _quarantine.c.event_id == event_id, _quarantine.c.kind != _ACCEPTED
    aside = connection.execute(sa.select(_quarantine).where(*of_it).order_by(_quarantine.c.id.desc())).first()
    row = connection.execute(sa.select(_event).where(_event.c.event_id == event_id)).first()
    if row is None and aside is None:
        return None
    came = t.cast("sa.Row[t.Any]", row or aside)
    received = dt.datetime.fromtimestamp(came.received_at / 1000, tz=dt.UTC)
    at = None if row is None or row.logical_timestamp == _TAKEN_OUT else int(row.logical_timestamp)
    reason = "" if aside is None else f"quarantine entry {aside.id}, {aside.kind}: {aside.reason}"
    if aside is None and at is None:
        reason = "taken out of the store: discarded, or another tenant's"
    return Landed(
        event_id,
        at,
        received.isoformat(timespec="seconds"),
        (now - received).total_seconds(),
        row is not None and _is_passed(connection, row),
        reason,
    )


def _is_passed(connection: sa.Connection, row: sa.Row[t.Any]) -> bool:
    beyond = _reader.c.through >= row.logical_timestamp, _reader.c.position >= row.position
    return connection.execute(sa.select(_reader.c.through).where(*beyond).limit(1)).first() is not None


def _orders(value: t.Any) -> Iterator[str]:
    """Yield the order ids in a body of either wire shape."""
    if isinstance(value, dict):
        if "order_id" in value:
            yield str(value["order_id"])
        for each in value.values():
            yield from _orders(each)
