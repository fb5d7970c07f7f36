"""What one run of a stream releases, and what the stream's bookmark says while it does."""

from __future__ import annotations

import logging
import typing as t
import uuid

from tap_newstore_fulfillment.landing.open_bodies import holes_of
from tap_newstore_fulfillment.landing.release import (
    HOLES,
    LATE_THROUGH,
    OLDEST,
    PRUNED_POSITION,
    PRUNED_THROUGH,
    Bookmark,
)
from tap_newstore_fulfillment.records import read_record
from tap_newstore_fulfillment.sent import SENT, Sent
from tap_newstore_fulfillment.sources import waiting_time

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_newstore_fulfillment.landing.open_bodies import OpenBodies
    from tap_newstore_fulfillment.landing.release import ReleasePlan
    from tap_newstore_fulfillment.landing.store import Arrival, LandingStore
    from tap_newstore_fulfillment.records import EventRecord, ItemRecord

logger = logging.getLogger("tap-newstore-fulfillment.landing")

MS_PER_MINUTE = 60_000
OF_ANOTHER_STORE = (
    "The state is of another landing store, not of this one: what that one had and no run had taken may be gone. If a "
    "receiver takes the events, let newstore-event-receiver audit find it"
)


class ReleaseRun:
    """One run of a stream over the landing store (design rules 1 and 2).

    Args:
        store: The landing store; the caller closes it.
        settings: The tap's settings.
        state: The stream's part of the Singer state, updated in place as events go out.
        is_incremental: False: all events are released, and `state` holds no bookmark.
        ready_at: Epoch milliseconds when export files were listed; None: the events come from a receiver.

    Attributes:
        holes: What refused bodies leave open.
    """

    def __init__(
        self,
        store: LandingStore,
        settings: Mapping[str, t.Any],
        state: dict[str, t.Any],
        *,
        is_incremental: bool,
        ready_at: int | None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._state = state
        self._is_incremental = is_incremental
        # An interrupted run may have left it.
        state.pop(LATE_THROUGH, None)
        self._sent = Sent()
        state[SENT] = self._sent.to_state()
        # Before the plan: what closes from here on may close with an event that the plan does not have.
        before = store.quarantine.open_bodies()
        self._plan = self._make_plan(ready_at, before)
        # After the plan: whatever was refused while its events arrived is among them.
        self.holes = store.quarantine.holes(
            settings.get("start_logical_timestamp"), position=self._plan.position, before=before
        )
        if is_incremental:
            self._set_holes()
            self._set_pruned()
            self._set_oldest()

    def events(self, emit_state: Callable[[], None]) -> Iterator[list[EventRecord]]:
        """Yield the run's events in batches; afterwards the bookmark covers the whole run.

        Args:
            emit_state: Writes a STATE message with the state as it stands; more messages follow it.
        """
        if self._is_incremental:
            # Even when nothing is released: the SDK drops a STATE equal to the one before, and would drop the last.
            # A reader can then tell that a run ended before its last STATE.
            self._state.update(self._plan.bookmark_at_start().to_state())
            emit_state()
        yield from self._released(self._store.released_first(self._plan))
        if self._plan.late:
            # What follows this STATE lies at or below the release mark and came late.
            self.move_bookmark(self._plan.late.lowest)
            self._state[LATE_THROUGH] = self._plan.through
            emit_state()
            yield from self._released(self._store.released_last(self._plan))
            del self._state[LATE_THROUGH]
        if self._is_incremental:
            self._state.update(self._plan.end.to_state())
        if self._settings["emit_unreleased"]:
            yield from _records(self._store.unreleased(self._plan), released=False)

    def note_sent(self, records: Sequence[EventRecord | ItemRecord]) -> None:
        """Note in the state which records were written, and move the bookmark as far as the last of them allows."""
        self._sent.add([record.event_id for record in records])
        self._state[SENT] = self._sent.to_state()
        if records[-1].released:
            self.move_bookmark(records[-1].logical_timestamp)

    def move_bookmark(self, logical_timestamp: int) -> None:
        """Move the bookmark to just before a released event: more events may have the same timestamp."""
        if self._is_incremental:
            self._state.update(self._plan.bookmark_before(logical_timestamp).to_state())

    def _make_plan(self, ready_at: int | None, refused: OpenBodies) -> ReleasePlan:
        bookmark = Bookmark()
        if self._is_incremental:
            bookmark = Bookmark.from_state(self._state, new_reader=str(uuid.uuid4()))
            if bookmark.store_id not in (None, self._store.store_id):
                logger.warning(OF_ANOTHER_STORE)
        settle_ms = waiting_time(self._settings)
        plan = self._store.plan_release(
            bookmark,
            settle_ms=settle_ms,
            oldest=self._settings.get("start_logical_timestamp"),
            settled=self._store.clock.settled(settle_ms, ready_at),
            **self._patience(settle_ms, ready_at, refused),
        )
        if self._is_incremental:
            # As the plan has it: what was confirmed of a lost store, or of one before it went back, is not confirmed.
            self._store.retention.note(plan.start)
        return plan

    def _patience(self, settle_ms: int, ready_at: int | None, refused: OpenBodies) -> dict[str, t.Any]:
        """Return how long the release waits at holes; nothing if it does not."""
        wait_ms = self._settings["hole_wait_minutes"] * MS_PER_MINUTE
        if not wait_ms:
            return {}
        passed = self._store.clock.settled(settle_ms + wait_ms, ready_at)
        return {"passed": passed, "refused": holes_of(refused).pairs}

    def _released(self, batches: Iterable[Sequence[Arrival]]) -> Iterator[list[EventRecord]]:
        """Yield the records of a query, and note what may have been pruned before it began.

        A first run has confirmed nothing that would keep events; once a query has begun, it misses none.
        """
        must_note = self._is_incremental
        for records in _records(batches):
            if must_note:
                self._set_pruned()
                must_note = False
            yield records
        if must_note:
            self._set_pruned()

    def _set_pruned(self) -> None:
        """Note in the state up to where completions are gone, if the run reads that far back."""
        pruned, oldest = self._store.retention.pruned(), self._settings.get("start_logical_timestamp")
        for name in (PRUNED_THROUGH, PRUNED_POSITION):
            self._state.pop(name, None)
        if pruned is not None and (oldest is None or pruned.through >= oldest):
            self._state |= {PRUNED_THROUGH: pruned.through, PRUNED_POSITION: pruned.position}

    def _set_holes(self) -> None:
        """Note in the state which logical timestamps no range may cover, because their events were refused."""
        self._state.pop(HOLES, None)
        if self.holes.pairs:
            self._state[HOLES] = self.holes.pairs

    def _set_oldest(self) -> None:
        """Note in the state below which timestamp the run leaves events out; the mapper must not claim them."""
        oldest = self._settings.get("start_logical_timestamp")
        self._state.pop(OLDEST, None)
        if oldest is not None:
            self._state[OLDEST] = oldest


def _records(batches: Iterable[Sequence[Arrival]], *, released: bool = True) -> Iterator[list[EventRecord]]:
    for arrivals in batches:
        yield [read_record(arrival, released=released) for arrival in arrivals]
