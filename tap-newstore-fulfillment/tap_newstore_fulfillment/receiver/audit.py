"""An audit: NewStore delivers past hours again, and what was not known had been lost (design rule 16).

How it is known that the replay has reached its end: its period ends in the past, so NewStore stops the
temporary integration when it has delivered all of it; then nothing more may come for a while; and every
event of the period that was known before must have come again. The last shows that a path loses
deliveries, or that NewStore says `stopped` too early: then the period is replayed once more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import logging
import secrets
import threading
import time
import typing as t

from tap_newstore_fulfillment.errors import CouldNotAuditError, NewStoreCallError, StoreUnavailableError, TapError
from tap_newstore_fulfillment.landing.audits import Period
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.event_stream import STOPPED

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_newstore_fulfillment.landing.store import LandingStore
    from tap_newstore_fulfillment.receiver.audit_report import AuditReport
    from tap_newstore_fulfillment.receiver.event_stream import EventStream

logger = logging.getLogger("newstore-event-receiver")

MOST_REPLAYS = 5
#: An audit goes back no further: NewStore keeps the events of a stopped integration for so long.
LONGEST_MS = 30 * 24 * 3600 * 1000
MS_PER_HOUR = 3600 * 1000
#: Asked for on both sides of what is compared: whether a period's ends belong to it is not known of NewStore.
SLACK_MS = 1_000
#: NewStore's promise: an event may be so much older than its receipt.
PROMISE_MS = 900_000
BEAT_SECONDS = 5.0
FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.1, 15.0
LOOK_GROWTH = 1.5
#: How long it must be quiet where NewStore does not say that it is done.
UNSAID_SECONDS = 120.0
NOT_FOUND = 404
NOTHING = (
    "nothing came, and no event is known that should have come: it is not shown that deliveries reach the receiver"
)


def period_to_audit(store: LandingStore, hours: float, settle_ms: int, now: int) -> Period:
    """Return which publications to compare: at least so many hours, and whatever else may be gone.

    It ends where deliveries may still be under way. It begins no later than the last whole audit ended, so that an
    audit that failed leaves no gap, and a store restored from a backup is compared from that backup on. And it has a
    known event in it if there is one, because only what comes again shows that deliveries arrive.

    Args:
        store: The landing store.
        hours: The least it covers.
        settle_ms: Milliseconds that a delivery may take.
        now: Epoch milliseconds.
    """
    ends_at = now - settle_ms
    starts = [ends_at - int(hours * MS_PER_HOUR), *(found.since - PROMISE_MS for found in store.losses.open())]
    if (through := store.audits.audited_through()) is not None:
        starts.append(through)
    if (known := store.audits.newest_published(ends_at)) is not None:
        starts.append(known)
    return Period(max(min(starts), ends_at - LONGEST_MS), ends_at)


@dataclasses.dataclass
class Audit:
    """One audit.

    Args:
        store: The landing store, which the receiver at that URL writes to.
        stream: Calls NewStore.
        url: The receiver as NewStore reaches it.
        api_key: What NewStore sends there as bearer token.
        quiet_seconds: How long nothing may come before a replay counts as delivered.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.
    """

    store: LandingStore
    stream: EventStream
    url: str
    api_key: str | None
    quiet_seconds: float
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self, report: AuditReport, seconds: float) -> None:
        """Replay a period until it has come whole; the report has what was found, also if this fails.

        Args:
            report: Names the period.
            seconds: How long all of it may take.

        Raises:
            CouldNotAuditError: not everything that was known came again.
            TapError: a call failed, or the time is over.
        """
        losses = self.store.losses.open()
        remove_leftovers(self.store, self.stream, self.sleep)
        deadline = self.clock() + seconds
        for _ in range(MOST_REPLAYS):
            before = report.missing
            self._replay(report, deadline)
            if report.is_whole:
                self.store.losses.close(losses)
            if not report.missing and report.is_whole:
                return
            if not report.delivered and not report.missing:
                raise CouldNotAuditError(NOTHING)
            if report.missing == before:
                break
        raise CouldNotAuditError(
            f"of the events known of these hours, {len(report.missing)} did not come again, such as "
            f"{report.missing[0]}: NewStore does not have them, or something between it and the receiver loses "
            "deliveries",
            "See what stands between NewStore and the receiver, then audit again",
        )

    def _replay(self, report: AuditReport, deadline: float) -> None:
        before, report.is_whole = report.missing, False
        name = integrations.audit_id(self.store.store_id, dt.datetime.now(tz=dt.UTC), secrets.token_hex(2))
        sink = integrations.webhook_parameters(integrations.audited_url(self.url, name), self.api_key)
        starts_at, ends_at = _asked(report.period)
        self.store.audits.begin(name, report.period)
        try:
            with _beating(self.store, name) as failures:
                self.stream.register(integrations.temporary(name, sink, starts_at, ends_at))
                report.delivered, report.missing = self._wait(name, failures, deadline)
            # What stays away each time is not lost on the way: to ask for it again tomorrow would not help.
            report.is_whole = report.delivered > 0 and report.missing in ([], before)
        except BaseException:
            # Somebody may have ended it: what does not pass soon is left to the next audit.
            with contextlib.suppress(TapError), self.stream.patient_for(0):
                self._end(name, report)
            raise
        self._end(name, report)

    def _wait(self, name: str, failures: list[TapError], deadline: float) -> tuple[int, list[str]]:
        """Wait until a replay is done; return how many events came, and which known ones did not."""
        pause, seen, quiet_since = FIRST_LOOK_SECONDS, -1, self.clock()
        while True:
            is_stopped = self.stream.get(name).get("status") == STOPPED
            delivered = self.store.audits.delivered(name)
            if failures:
                raise failures[0]
            if delivered != seen:
                seen, quiet_since = delivered, self.clock()
            needed = self.quiet_seconds if is_stopped else max(self.quiet_seconds, UNSAID_SECONDS)
            if self.clock() - quiet_since >= needed and (is_stopped or delivered):
                missing = self.store.audits.missing(name)
                if is_stopped or not missing:
                    return delivered, missing
            if self.clock() >= deadline:
                raise CouldNotAuditError("NewStore was not done in time; allow more with --wait-minutes")
            self.sleep(min(pause, max(deadline - self.clock(), 0.0)))
            pause = min(pause * LOOK_GROWTH, LONGEST_LOOK_SECONDS)

    def _end(self, name: str, report: AuditReport) -> None:
        """Delete the integration, whatever has happened, and take over what the replay found."""
        is_deleted = delete_if_there(self.stream, name)
        report.add(itertools.chain.from_iterable(self.store.audits.lost(name)), time.time())
        if is_deleted:
            self.store.audits.end(name, is_whole=report.is_whole)


def _asked(period: Period) -> tuple[dt.datetime, dt.datetime]:
    """Return the period NewStore is asked for; it ends in the past, or the replay would go on until then."""
    ends_at = min(period.ends_at + SLACK_MS, time.time_ns() // 1_000_000)
    first, last = (dt.datetime.fromtimestamp(at / 1000, tz=dt.UTC) for at in (period.starts_at - SLACK_MS, ends_at))
    return first, last


def remove_leftovers(store: LandingStore, stream: EventStream, sleep: Callable[[float], None] = time.sleep) -> None:
    """Delete what killed audits of this store left at NewStore; audits that run beside this one stay.

    Raises:
        TapError: a call failed.
    """
    # In this order: an audit is noted before its integration is made.
    listed = [str(row.get("id")) for row in stream.integrations()]
    alive = _alive(store, sleep)
    left = {row.integration_id for row in store.audits.unended()} - alive
    prefix = integrations.audit_prefix(store.store_id)
    for name in {name for name in listed if name.startswith(prefix)} - alive | left:
        if name not in listed or delete_if_there(stream, name):
            store.audits.end(name, is_whole=False)
            logger.warning("%s: left over from an audit that was killed; deleted", name)


def delete_if_there(stream: EventStream, name: str) -> bool:
    """Delete an integration; return False, and say so, if it may still be there."""
    try:
        stream.delete(name)
    except TapError as error:
        if isinstance(error, NewStoreCallError) and error.status == NOT_FOUND:
            return True
        logger.warning("%s: not deleted, the next audit will try again: %s", name, error)
        return False
    return True


def _alive(store: LandingStore, sleep: Callable[[float], None]) -> set[str]:
    """Return which audits run: those whose process says so again, or is gone within a short time."""
    first = {row.integration_id: row.beat_at for row in store.audits.unended()}
    while True:
        now = {row.integration_id: row for row in store.audits.unended() if not row.is_dead}
        if not any(row.beat_at == first.get(name) for name, row in now.items()):
            return set(now)
        sleep(1.0)


@contextlib.contextmanager
def _beating(store: LandingStore, name: str) -> Iterator[list[TapError]]:
    """Say regularly, while the block runs, that its process is alive; yield a list that gets an error if that fails."""
    ended, failures = threading.Event(), list[TapError]()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            try:
                store.audits.beat(name)
            except StoreUnavailableError:
                continue
            except TapError as error:
                failures.append(error)
                return

    thread = threading.Thread(target=beat, name="audit", daemon=True)
    thread.start()
    try:
        yield failures
    finally:
        ended.set()
        thread.join()
