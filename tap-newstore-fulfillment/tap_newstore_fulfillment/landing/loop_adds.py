"""Stores events for an event loop, which waits for the database itself where one transaction does it all."""

from __future__ import annotations

import functools
import time
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing.added import Added
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.inserts import (
    INSERT_ON_POSTGRESQL,
    INSERT_ON_SQLITE,
    SET_ASIDE_ON_POSTGRESQL,
    SET_ASIDE_ON_SQLITE,
    WAIT_FOR_STANDBY,
    Inserted,
    as_json,
    aside_as_json,
)
from tap_newstore_fulfillment.landing.loop_writes import Failed
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase
    from tap_newstore_fulfillment.landing.far_ahead import FarAhead
    from tap_newstore_fulfillment.landing.loop_process import LoopProcess
    from tap_newstore_fulfillment.landing.loop_writes import Answers, LoopConnection, Transaction
    from tap_newstore_fulfillment.landing.quarantine import Quarantine
    from tap_newstore_fulfillment.landing.tenancy import Tenancy

    #: What was new; or what a thread has to do yet, or instead, and returns that.
    Outcome = Added | Callable[[], Added]
    OnOutcome = Callable[[Outcome], None]

#: After a connection was lost, or could not be had.
SECONDS_BETWEEN_TRIES = 5.0


class AnyStore(t.Protocol):
    """The store, as a thread uses it.

    Attributes:
        quarantine: Where events of other tenants go.
        far_ahead: Which events are far ahead of all others.
    """

    quarantine: Quarantine
    far_ahead: FarAhead

    def add(self, events: Sequence[FulfillmentEvent]) -> Added:
        """Store events, whatever it takes."""

    def look_after(self, events: Sequence[FulfillmentEvent], added: Added) -> None:
        """Do what stored events call for."""


class Group(t.NamedTuple):
    """Events of one transaction, and what this process knew when it began.

    Attributes:
        events: All of them, in the order they arrived.
        tenant: Whose store it is.
        ours: Those of it.
        others: All others.
        aside: Those, each once, with the reason why it is set aside.
    """

    events: Sequence[FulfillmentEvent]
    tenant: str | None
    ours: Sequence[FulfillmentEvent]
    others: Sequence[FulfillmentEvent]
    aside: Sequence[tuple[FulfillmentEvent, str]]


class LoopAdds:
    """One event loop's way into a landing store.

    Args:
        database: The store's.
        tenancy: Whose events it keeps.
        store: Does what takes more than one transaction.
    """

    def __init__(self, database: LandingDatabase, tenancy: Tenancy, store: AnyStore) -> None:
        self._database = database
        self._tenancy = tenancy
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
        group = self._group(events)
        if self._connection is None or group is None:
            ended(functools.partial(self._store.add, events))
            return
        self._connection.begin(self._transaction(group), functools.partial(self._stored, group, ended))

    def _group(self, events: Sequence[FulfillmentEvent]) -> Group | None:
        """Return a group that one transaction can store, as far as this process knows; None: it takes more."""
        parted = self._tenancy.parted(events)
        if parted is None or not self._are_near(parted.ours):
            return None
        return Group(events, *parted, self._tenancy.with_reasons(parted.others))

    def _are_near(self, ours: Sequence[FulfillmentEvent]) -> bool:
        return not ours or self._store.far_ahead.is_near(max(event.logical_timestamp for event in ours))

    def _transaction(self, group: Group) -> Transaction:
        """Return what stores a group; nothing of it, if the store's tenant is another one."""
        tenant, ours, aside = group.tenant, as_json(group.ours), group.aside
        if not self._database.is_postgresql:
            rows = [(tenant, ANOTHER_TENANT, event.event_id, reason, event.body.encode()) for event, reason in aside]
            return [(INSERT_ON_SQLITE, (None, tenant, ours)), *((SET_ASIDE_ON_SQLITE, row) for row in rows)]
        insert = INSERT_ON_POSTGRESQL, (WRITER_LOCK, None, tenant, ours)
        if not aside:
            return [insert]
        return [insert, (SET_ASIDE_ON_POSTGRESQL, (tenant, ANOTHER_TENANT, aside_as_json(aside)))]

    def _stored(self, group: Group, ended: OnOutcome, answers: Answers | Failed) -> None:
        if isinstance(answers, Failed):
            ended(self._instead(group.events, answers))
            return
        inserted = Inserted.from_rows(answers[0], group.tenant)
        if not inserted.is_for_tenant:
            ended(functools.partial(self._store.add, group.events))
            return
        added = Added(inserted.new, [event.event_name for event in group.others])
        is_left = sum(int(rows[0][0] or 0) for rows in answers[1:]) < len(group.aside)
        if added.total() == len(group.ours) or self._connection is None or not self._database.is_postgresql:
            ended(self._outcome(group, added, is_left=is_left))
            return

        def are_safe(safe: Answers | Failed) -> None:
            if isinstance(safe, Failed):
                ended(functools.partial(self._store.add, group.events))
            else:
                ended(self._outcome(group, added, is_left=is_left))

        # Those that were there may not be on a standby yet.
        self._connection.begin([(WAIT_FOR_STANDBY, ())], are_safe)

    def _outcome(self, group: Group, added: Added, *, is_left: bool) -> Outcome:
        try:
            size = sum(len(event.body.encode()) for event, _ in group.aside)
            is_too_much = self._store.quarantine.limit.may_be_passed(size)
            finish = functools.partial(self._finish, group, added, is_left=is_left, is_too_much=is_too_much)
            return finish if is_left or is_too_much or not self._are_near(group.ours) else finish()
        except Exception:  # noqa: BLE001 - nobody would answer these events, or take the next; a thread's errors are
            return functools.partial(self._store.add, group.events)

    def _finish(self, group: Group, added: Added, *, is_left: bool, is_too_much: bool) -> Added:
        self._store.look_after(group.events, added)
        if group.aside:
            self._tenancy.say(group.aside)
        if is_left:
            # Quarantine has met some of them: it knows them, or has emptied them, or they were refused before.
            self._store.add(group.others)
        if is_too_much:
            with self._database.writing() as connection:
                self._store.quarantine.limit.keep(connection, 0)
        return added

    def _instead(self, events: Sequence[FulfillmentEvent], failed: Failed) -> Callable[[], Added]:
        if not failed.is_locked:
            if failed.is_lost:
                self.close()
            return functools.partial(self._store.add, events)

        def refuse() -> t.NoReturn:
            raise StoreUnavailableError(f"the landing store did not take it: {failed.reason}")

        return refuse
