"""What leaves the landing store: which events a run releases, and the events themselves."""

from __future__ import annotations

import logging
import typing as t

import msgspec
import sqlalchemy as sa

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.backlog import waiting_events
from tap_newstore_fulfillment.landing.far_ahead import FarAhead
from tap_newstore_fulfillment.landing.late_arrivals import LateArrivals, is_known_late
from tap_newstore_fulfillment.landing.losses import Losses
from tap_newstore_fulfillment.landing.missing import Patience, mark_before_hole
from tap_newstore_fulfillment.landing.release import Bookmark, ReleasePlan
from tap_newstore_fulfillment.landing.settling import Settled
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event
from tap_newstore_fulfillment.landing.taken_out import event_that_stood

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_newstore_fulfillment.landing.database import LandingDatabase

logger = logging.getLogger("tap-newstore-fulfillment.landing")

ROWS_AT_ONCE = 2_000
RESTORED = (
    "The landing store has been restored from an older copy since the last run: all of it is read again. Events "
    "stored after that copy are gone; let NewStore send them again with newstore-event-receiver audit"
)


class Arrival(t.NamedTuple):
    """A stored event as the tap reads it back.

    Attributes:
        received_at: Epoch milliseconds.
        body: As NewStore sent it.
    """

    event_id: str
    event_name: str
    logical_timestamp: int
    received_at: int
    body: str


class Releases:
    """Decides what a run releases, and reads it in timestamp order.

    Args:
        database: The landing store.

    Attributes:
        store_id: Identity of the store.
        late_arrivals: Which events came late.
        far_ahead: Which events are far ahead of all others.
        losses: Which acknowledged events are known to be gone.
    """

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database
        self.store_id = database.store_id
        self.losses = Losses(database)
        self.late_arrivals = LateArrivals(database)
        self.far_ahead = FarAhead(database)

    def plan_release(
        self,
        start: Bookmark,
        *,
        settle_ms: int = 0,
        oldest: int | None = None,
        now: int | None = None,
        settled: Settled | None = None,
        passed: Settled | None = None,
        refused: Sequence[Sequence[int]] = (),
    ) -> ReleasePlan:
        """Decide what one run of the tap releases (design rules 1 and 2), and note which of it came late.

        Args:
            start: Where the last run ended.
            settle_ms: Milliseconds an event waits; what was received more recently has not settled.
            oldest: Ignore events with a lower logical timestamp (None: ignore none).
            now: Epoch milliseconds; None: now, by the store's clock.
            settled: What `clock` says for `settle_ms`; without it the wall clock is trusted.
            passed: What `clock` says for `settle_ms` and the longest wait at a hole together; None: no wait.
            refused: Pairs of logical timestamps that are not waited for, because their events were refused.
        """
        event = fulfillment_event.c
        lost: Bookmark | None = None
        with self._database.reading() as connection:
            # Read the clock before the position: what is received in between must not count as settled.
            if settled is None:
                settled = self._settled_by_wall(connection, now, settle_ms)
            position = connection.scalar(sa.select(sa.func.max(event.position))) or 0
            is_settled = _has_settled(settled)
            ahead = self.far_ahead.find(connection, position, is_settled)
            held_from = ahead[0].logical_timestamp if ahead else None
            mark = connection.scalar(_highest(position, held_from).where(is_settled))
            if passed and mark is not None:
                mark = _waiting(connection, mark, position, start, Patience(_has_settled(passed), refused))
            if start.is_ahead_of_store(self.store_id, position, _arrival_at(connection, start.position)):
                logger.warning(RESTORED)
                lost, start = start, start.without_position(self.store_id)
            arrival = _arrival_at(connection, position)
        if lost is not None:
            self.losses.note(*lost.evidence())
        plan = ReleasePlan.make(
            start, mark=mark, position=position, store_id=self.store_id, oldest=oldest, arrival=arrival
        )
        return self._with_late_arrivals(msgspec.structs.replace(plan, held_from=held_from), settle_ms)

    def _with_late_arrivals(self, plan: ReleasePlan, settle_ms: int) -> ReleasePlan:
        """Note which events of a plan come late, and return the plan with all that do."""
        self.late_arrivals.note(plan, settle_ms)
        return self.late_arrivals.look_up(plan, settle_ms)

    def _settled_by_wall(self, connection: sa.Connection, now: int | None, settle_ms: int) -> Settled:
        return Settled.by_wall((self._database.now(connection) if now is None else now) - settle_ms)

    def released(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield all events of a plan, in batches."""
        yield from self.released_first(plan)
        yield from self.released_last(plan)

    def released_first(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield the late events below the start, then the settled ones, each in timestamp order."""
        event, query = fulfillment_event.c, _arrivals(plan)
        if plan.start.through is not None:
            late = query.where(event.logical_timestamp <= plan.start.through)
            yield from self._read(late.where(event.position > plan.start.position))
            query = query.where(event.logical_timestamp > plan.start.through)
        if plan.late:
            query = query.where(~is_known_late(plan.late))
        if plan.through is not None:
            yield from self._read(query.where(event.logical_timestamp <= plan.through))

    def released_last(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield the events above the start that are known to have come late, in timestamp order."""
        if plan.late:
            event, query = fulfillment_event.c, _arrivals(plan).where(is_known_late(plan.late))
            yield from self._read(query.where(event.logical_timestamp.between(plan.late.lowest, plan.through)))

    def unreleased(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield what waits above the release mark, in timestamp order, in batches; nothing that is far ahead."""
        query = _arrivals(plan)
        if plan.held_from is not None:
            query = query.where(fulfillment_event.c.logical_timestamp < plan.held_from)
        if plan.through is not None:
            query = query.where(fulfillment_event.c.logical_timestamp > plan.through)
        yield from self._read(query)

    def waiting_events(self) -> dict[str, int]:
        """Return how many events each pipeline has not confirmed, counted up to `backlog.MOST_COUNTED`.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        with self._database.reading() as connection:
            return waiting_events(connection)

    def newest_published(self) -> float | None:
        """Return when the event that came last was published, epoch seconds; None: none has come.

        Of one that does not say, or whose body has been pruned, it is when it came.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        event = fulfillment_event.c
        newest = sa.select(event.body, event.received_at).where(event.logical_timestamp > TAKEN_OUT)
        with self._database.reading() as connection:
            row = connection.execute(newest.order_by(event.position.desc()).limit(1)).first()
        if row is None:
            return None
        return (check_event(row.body.encode()).published_at if row.body else None) or row.received_at / 1000

    def _read(self, query: sa.Select[t.Any]) -> Iterator[Sequence[Arrival]]:
        with self._database.reading() as connection:
            result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
            try:
                for rows in result.partitions():
                    yield t.cast("Sequence[Arrival]", rows)
            except GeneratorExit:
                # Nobody reads on, so nobody could be told what goes wrong at the end, such as that the server is gone.
                connection.invalidate()
                result.close()
                raise


def _has_settled(limits: Settled) -> sa.ColumnElement[bool]:
    event = fulfillment_event.c
    by_wall = sa.and_(event.received_at <= limits.received_at, event.position <= limits.within)
    return sa.or_(event.position <= limits.position, by_wall)


def _waiting(connection: sa.Connection, mark: int, position: int, start: Bookmark, patience: Patience) -> int:
    """Return the mark before the first hole that is waited at, and say so."""
    before = mark_before_hole(connection, mark, position, start.through, patience)
    if before < mark:
        logger.info(
            "The release waits at logical timestamp %d, of which no event has come (hole_wait_minutes)", before + 1
        )
    return before


def _arrival_at(connection: sa.Connection, position: int) -> str | None:
    """Return the event at a position and when it came: in a restored store it would come again at another time."""
    event = fulfillment_event.c
    row = connection.execute(sa.select(event.event_id, event.received_at).where(event.position == position)).first()
    return f"{event_that_stood(position, row.event_id)}@{row.received_at}" if row else None


def _highest(position: int, held_from: int | None) -> sa.Select[tuple[int]]:
    """Select the highest logical timestamp up to a position, below those that are far ahead."""
    event = fulfillment_event.c
    here = [event.position <= position, event.logical_timestamp > TAKEN_OUT]
    if held_from is not None:
        here.append(event.logical_timestamp < held_from)
    return sa.select(event.logical_timestamp).where(*here).order_by(event.logical_timestamp.desc()).limit(1)


def _arrivals(plan: ReleasePlan) -> sa.Select[t.Any]:
    event = fulfillment_event.c
    query = (
        sa.select(event.event_id, event.event_name, event.logical_timestamp, event.received_at, event.body)
        .where(event.position <= plan.position, event.body.is_not(None))
        .order_by(event.logical_timestamp, event.position)
    )
    return query if plan.oldest is None else query.where(event.logical_timestamp >= plan.oldest)
