"""What the receiver needs of a landing store."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.audits import AuditFigures
    from tap_newstore_fulfillment.landing.loop_adds import OnOutcome


class EventStore(t.Protocol):
    """What the receiver needs of the landing store; its methods raise StoreUnavailableError."""

    def add(self, events: Sequence[FulfillmentEvent]) -> Mapping[str, int]:
        """Store events durably; return how many were new, by event name."""

    def in_loop(self) -> Callable[[Sequence[FulfillmentEvent], OnOutcome], None] | None:
        """Return what begins to store events without a thread, one group at a time; None: `add` has to, for now."""

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body durably."""

    def check(self) -> None:
        """Return if the store answers."""


class AuditedStore(t.Protocol):
    """What a store does for audits and metrics; its methods raise StoreUnavailableError."""

    def add_audited(self, deliveries: Sequence[tuple[str, FulfillmentEvent]]) -> Mapping[str, int]:
        """Store events like `add`, each of which came for the audit named first."""

    def add_rejected_once(self, audit: str, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body that came for an audit, unless it is there."""

    def set_aside(self) -> Mapping[str, float]:
        """Return how much is set aside, by what `ReceiverMetrics` calls it."""

    def oldest_set_aside(self) -> float | None:
        """Return when the oldest of it came, epoch seconds; None: nothing is set aside."""

    def audit_figures(self) -> AuditFigures:
        """Return what audits have found."""

    def newest_published(self) -> float | None:
        """Return when the event that came last was published, epoch seconds; None: none has come."""

    def waiting_events(self) -> Mapping[str, int]:
        """Return how many events each pipeline has not confirmed, counted up to `landing.backlog.MOST_COUNTED`."""
