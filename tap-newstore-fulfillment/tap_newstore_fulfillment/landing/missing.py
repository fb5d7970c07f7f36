"""Missing logical timestamps of one landing store: the release may wait at them, and people see how long (rule 16)."""

from __future__ import annotations

import bisect
import itertools
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.density import DENSE, last_before_hole, missing
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[Sequence[int]]

#: So many of the highest timestamps are looked at for people.
LOOKED_AT = 20_000


class Patience(t.NamedTuple):
    """How long the release waits at holes.

    Attributes:
        passed: The condition that an event came so long ago that nothing below it is waited for any more.
        refused: Pairs of logical timestamps whose events were refused: they have come.
    """

    passed: sa.ColumnElement[bool]
    refused: Pairs = ()


class Missing(t.NamedTuple):
    """Logical timestamps of which no event has come.

    Attributes:
        first: The first of them.
        last: The last of them.
        since: Epoch milliseconds when the first event above them came.
    """

    first: int
    last: int
    since: int


def mark_before_hole(
    connection: sa.Connection, mark: int, position: int, released: int | None, patience: Patience
) -> int:
    """Return the release mark that waits at holes: at most `mark`.

    Args:
        connection: The store's.
        mark: The highest settled timestamp.
        position: The last arrival this run considers.
        released: Up to this logical timestamp everything has been released; nothing there is waited for.
        patience: How long it waits.
    """
    event = fulfillment_event.c
    here = [event.position <= position, event.logical_timestamp <= mark, event.logical_timestamp > TAKEN_OUT]
    highest = sa.select(event.logical_timestamp).where(*here, patience.passed)
    passed = connection.scalar(highest.order_by(event.logical_timestamp.desc()).limit(1))
    above = max((at for at in (passed, released) if at is not None), default=None)
    known = sa.select(event.logical_timestamp).where(*here)
    if above is not None:
        known = known.where(event.logical_timestamp > above - DENSE)
    found = last_before_hole(connection.scalars(known), above, patience.refused)
    return mark if found is None else found


def list_missing(connection: sa.Connection, refused: Pairs) -> list[Missing]:
    """Return what is missing among the highest timestamps, the highest first."""
    event = fulfillment_event.c
    highest = (
        sa.select(event.logical_timestamp, event.received_at)
        .where(event.logical_timestamp > TAKEN_OUT)
        .order_by(event.logical_timestamp.desc())
        .limit(LOOKED_AT)
    )
    rows = connection.execute(highest).all()[::-1]
    timestamps = [row.logical_timestamp for row in rows]
    # For each of them, when the first event from there on came.
    came = list(itertools.accumulate((row.received_at for row in reversed(rows)), min))[::-1]
    holes = missing(timestamps, refused)
    return [Missing(first, last, came[bisect.bisect_right(timestamps, last)]) for first, last in holes][::-1]
