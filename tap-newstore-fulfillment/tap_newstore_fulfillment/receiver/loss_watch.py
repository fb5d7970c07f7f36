"""A receiver's watch over its store: what it has acknowledged must stay there (design rule 16)."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import typing as t

from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.receiver.audit import period_to_audit
from tap_newstore_fulfillment.receiver.audit_command import make_audit
from tap_newstore_fulfillment.receiver.audit_report import AuditReport
from tap_newstore_fulfillment.receiver.event_stream import EventStream
from tap_newstore_fulfillment.receiver.newstore_api import REQUIRED_SETTINGS, NewStoreApi
from tap_newstore_fulfillment.receiver.output import iso
from tap_newstore_fulfillment.sources import waiting_time

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_newstore_fulfillment.landing.losses import Loss
    from tap_newstore_fulfillment.landing.store import LandingStore

logger = logging.getLogger("newstore-event-receiver")

SECONDS_BETWEEN_LOOKS = 2.0
#: An audit that failed is tried again after so long.
SECONDS_BETWEEN_AUDITS = 600.0
AUDIT_SECONDS = 3600.0
#: An end of the receiver waits so long for an audit to delete its integration.
END_SECONDS = 20.0
#: And so long for a look, which a locked table may hold up.
LAST_LOOK_SECONDS = 1.0


class _EndedError(Exception):
    """The receiver ends; the audit it made has to end, too."""


class LossWatch:
    """Looks whether the store went back, says so at once, and asks for an audit if it may and can.

    Args:
        store: The landing store this receiver writes to.
        settings: The tap's settings.
    """

    def __init__(self, store: LandingStore, settings: Mapping[str, t.Any]) -> None:
        self._store = store
        self._settings = settings
        self._ended = threading.Event()
        self._said: set[str] = set()
        self._next_audit = 0.0
        self._audits = False
        needed = [*REQUIRED_SETTINGS, "audit_on_loss"]
        self._asks = all(settings.get(name) for name in needed)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs, in a thread of its own."""
        thread = threading.Thread(target=self._watch, name="loss watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(END_SECONDS if self._audits else LAST_LOOK_SECONDS)

    def _watch(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            # The store may be down; the next look makes up for it.
            with contextlib.suppress(TapError):
                self._store.losses.look()
                if found := self._store.losses.open():
                    self._say(found)
                    self._ask()

    def _say(self, found: list[Loss]) -> None:
        for loss in found:
            if loss.evidence not in self._said:
                self._said.add(loss.evidence)
                logger.error(
                    "The landing store went back: %s and what was published after %s may be gone, although it was "
                    "answered 200 (a failover to a standby that lagged, a restored copy). %s",
                    loss.evidence,
                    iso(loss.since),
                    "An audit is asked for" if self._asks else "Let newstore-event-receiver audit find what is gone",
                )

    def _ask(self) -> None:
        """Make an audit, unless one failed a short while ago, or another receiver makes one."""
        is_running = any(not row.is_dead for row in self._store.audits.unended())
        if not self._asks or is_running or time.monotonic() < self._next_audit:
            return
        self._next_audit = time.monotonic() + SECONDS_BETWEEN_AUDITS
        period = period_to_audit(self._store, 1, waiting_time(self._settings), time.time_ns() // 1_000_000)
        report = AuditReport(period)
        try:
            stream = EventStream(NewStoreApi(self._settings, self._sleep))
            with stream.patient_for(AUDIT_SECONDS):
                audit = make_audit(self._store, stream, self._settings)
                audit.sleep = self._sleep
                self._audits = True
                audit.run(report, AUDIT_SECONDS)
        except _EndedError:
            return
        except TapError as error:
            logger.error("The audit failed, and is tried again in %d minutes: %s", SECONDS_BETWEEN_AUDITS / 60, error)
        finally:
            self._audits = False
        logger.warning("Audit: %s", ". ".join(report.lines()), extra={"fields": {"audit": report.to_dict()}})

    def _sleep(self, seconds: float) -> None:
        if self._ended.wait(seconds):
            raise _EndedError
