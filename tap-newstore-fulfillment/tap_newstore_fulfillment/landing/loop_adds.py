"""Stores events for an event loop, which waits for the database itself where one statement does it all."""

from __future__ import annotations

import functools
import time
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing.added import Added
from tap_newstore_fulfillment.landing.database import WAIT_FOR_STANDBY, WRITER_LOCK
from tap_newstore_fulfillment.landing.inserts import INSERT_ON_POSTGRESQL, INSERT_ON_SQLITE, Inserted, as_json
from tap_newstore_fulfillment.landing.loop_writes import Failed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase
    from tap_newstore_fulfillment.landing.far_ahead import FarAhead
    from tap_newstore_fulfillment.landing.loop_process import LoopProcess
    from tap_newstore_fulfillment.landing.loop_writes import LoopConnection, Rows
    from tap_newstore_fulfillment.landing.tenancy import Tenancy

    #: What was new; or what a thread has to do yet, or instead, and returns that.
    Outcome = Added | Callable[[], Added]
    OnOutcome = Callable[[Outcome], None]

#: After a connection was lost, or could not be had.
SECONDS_BETWEEN_TRIES = 5.0


class AnyStore(t.Protocol):
    """The store, as a thread uses it."""

    def add(self, events: Sequence[FulfillmentEvent]) -> Added:
        """Store events, whatever it takes."""

    def look_after(self, events: Sequence[FulfillmentEvent], added: Added) -> None:
        """Do what stored events call for."""


class LoopAdds:
    """One event loop's way into a landing store.

    Args:
        database: The store's.
        tenancy: Whose events it keeps.
        far_ahead: Which events are far ahead of all others.
        store: Does what takes more than one statement.
    """

    def __init__(self, database: LandingDatabase, tenancy: Tenancy, far_ahead: FarAhead, store: AnyStore) -> None:
        self._database = database
        self._tenancy = tenancy
        self._far_ahead = far_ahead
        self._store = store
        self._connection: LoopConnection | LoopProcess | None = None
        #: Where it leads to.
        self._file = database.file
        self._is_wanted = False
        self._tried_at = -SECONDS_BETWEEN_TRIES

    def is_ready(self) -> bool:
        """Return whether `begin` can be called; if not, `open_if_wanted` makes it ready, in a thread."""
        self._is_wanted = True
        if self._file != self._database.file or self._database.is_gone:
            # Another file has taken its place, or none.
            self.close()
        return self._is_open()

    def open_if_wanted(self) -> None:
        """Connect, if the event loop has asked, and there is a way for it; called when the store has taken events."""
        if not self._is_wanted or self._is_open() or time.monotonic() - self._tried_at < SECONDS_BETWEEN_TRIES:
            return
        self._tried_at = time.monotonic()
        self._file = self._database.file
        self._connection = self._database.connect_loop()

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()

    def _is_open(self) -> bool:
        return self._connection is not None and self._connection.is_open

    def begin(self, events: Sequence[FulfillmentEvent], ended: OnOutcome) -> None:
        """Begin to store events as one group, and call `ended`, in the event loop; only while no other is under way."""
        if self._connection is None or not self._is_plain(events):
            ended(functools.partial(self._store.add, events))
            return
        tenant = self._tenancy.known
        stored = functools.partial(self._stored, events, tenant, ended)
        group = as_json(events)
        if self._database.is_postgresql:
            self._connection.begin(INSERT_ON_POSTGRESQL, (WRITER_LOCK, None, tenant, group), stored)
        else:
            self._connection.begin(INSERT_ON_SQLITE, (None, tenant, group), stored)

    def _stored(
        self, events: Sequence[FulfillmentEvent], tenant: str | None, ended: OnOutcome, answer: Rows | Failed
    ) -> None:
        if isinstance(answer, Failed):
            ended(self._instead(events, answer))
            return
        inserted = Inserted.from_rows(answer, tenant)
        if not inserted.is_for_tenant:
            ended(functools.partial(self._store.add, events))
            return
        added = Added(inserted.new)
        if added.total() == len(events) or self._connection is None or not self._database.is_postgresql:
            ended(self._outcome(events, added))
            return

        def are_safe(safe: Rows | Failed) -> None:
            is_failed = isinstance(safe, Failed)
            ended(functools.partial(self._store.add, events) if is_failed else self._outcome(events, added))

        # Those that were there may not be on a standby yet.
        self._connection.begin(WAIT_FOR_STANDBY, (), are_safe)

    def _outcome(self, events: Sequence[FulfillmentEvent], added: Added) -> Outcome:
        finish = functools.partial(self._finish, events, added)
        try:
            return finish() if self._is_plain(events) else finish
        except Exception:  # noqa: BLE001 - nobody would answer these events, or take the next; a thread's errors are
            return functools.partial(self._store.add, events)

    def _is_plain(self, events: Sequence[FulfillmentEvent]) -> bool:
        """Return whether nothing but one statement is called for, as far as this process knows."""
        is_near = self._far_ahead.is_near(max(event.logical_timestamp for event in events))
        return is_near and self._tenancy.is_certain(events)

    def _finish(self, events: Sequence[FulfillmentEvent], added: Added) -> Added:
        self._store.look_after(events, added)
        return added

    def _instead(self, events: Sequence[FulfillmentEvent], failed: Failed) -> Callable[[], Added]:
        if not failed.is_locked:
            if failed.is_lost:
                self.close()
            return functools.partial(self._store.add, events)

        def refuse() -> t.NoReturn:
            raise StoreUnavailableError(f"the landing store did not take it: {failed.reason}")

        return refuse
