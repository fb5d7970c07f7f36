"""A receiver's landing store, which may have to wait for a server that takes writes."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from tap_newstore_fulfillment.errors import NoPrimaryError, StoreUnavailableError, TapError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.audits import AuditFigures
    from tap_newstore_fulfillment.landing.loop_adds import OnOutcome
    from tap_newstore_fulfillment.landing.store import LandingStore

SECONDS_BETWEEN_TRIES = 1.0
#: How long the last try may take when the receiver is stopped.
LAST_TRY_SECONDS = 2.0


class AwaitedStore:
    """The landing store as the webhook uses it; while no server takes writes, it says so for every call.

    Args:
        opens: Opens the landing store.

    Raises:
        TapError: it cannot be opened, and waiting would not help.
    """

    def __init__(self, opens: Callable[[], LandingStore]) -> None:
        self._opens = opens
        self._store: LandingStore | None = None
        self._reason = ""
        self._try()

    def close(self) -> None:
        """Close all connections."""
        if self._store:
            self._store.close()

    @contextlib.contextmanager
    def kept_by(self, keeps: Callable[[LandingStore], contextlib.AbstractContextManager[None]]) -> Iterator[None]:
        """Let `keeps` look after the store while the block runs, from when it is open."""
        ended = threading.Event()
        with contextlib.ExitStack() as kept:
            thread = threading.Thread(target=lambda: self._keep(kept, keeps, ended), name="opening", daemon=True)
            thread.start()
            try:
                yield
            finally:
                ended.set()
                # It may be opening a store that does not answer; what ends this process ends it, too.
                thread.join(LAST_TRY_SECONDS)

    def add(self, events: Sequence[FulfillmentEvent]) -> Mapping[str, int]:
        """Store events durably."""
        return self._opened().add(events)

    def in_loop(self) -> Callable[[Sequence[FulfillmentEvent], OnOutcome], None] | None:
        """Return what begins to store events for an event loop; None: `add` has to."""
        return self._store.in_loop() if self._store else None

    def add_audited(self, deliveries: Sequence[tuple[str, FulfillmentEvent]]) -> Mapping[str, int]:
        """Store events that came for audits."""
        return self._opened().add_audited(deliveries)

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body durably."""
        self._opened().add_rejected(body, path=path, reason=reason, received_at=received_at)

    def add_rejected_once(self, audit: str, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body that came for an audit, unless it is there."""
        self._opened().add_rejected_once(audit, body, path=path, reason=reason, received_at=received_at)

    def check(self) -> None:
        """Return if the store answers, and takes writes."""
        self._opened().check()

    def set_aside(self) -> Mapping[str, float]:
        """Return how much is set aside."""
        return self._opened().set_aside()

    def oldest_set_aside(self) -> float | None:
        """Return when the oldest of it came, epoch seconds; None: nothing is set aside."""
        return self._opened().quarantine.oldest_at()

    def audit_figures(self) -> AuditFigures:
        """Return what audits have found."""
        return self._opened().audit_figures()

    def newest_published(self) -> float | None:
        """Return when the event that came last was published, epoch seconds; None: none has come."""
        return self._opened().newest_published()

    def waiting_events(self) -> dict[str, int]:
        """Return how many events each pipeline has not confirmed."""
        return self._opened().waiting_events()

    def _opened(self) -> LandingStore:
        if self._store is None:
            raise StoreUnavailableError(self._reason)
        return self._store

    def _try(self) -> None:
        try:
            self._store = self._opens()
        except TapError as error:
            # Having waited, it goes on waiting: the server it waits for may still come.
            if not (self._reason or isinstance(error, NoPrimaryError)):
                raise
            self._reason = str(error)

    def _keep(
        self,
        kept: contextlib.ExitStack,
        keeps: Callable[[LandingStore], contextlib.AbstractContextManager[None]],
        ended: threading.Event,
    ) -> None:
        while self._store is None and not ended.wait(SECONDS_BETWEEN_TRIES):
            self._try()
        if self._store:
            kept.enter_context(keeps(self._store))
