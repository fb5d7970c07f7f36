"""Published events and their deliveries (newstore-api.md, section 4)."""

from __future__ import annotations

import random
import threading
import time
import typing as t

from newstore_sandbox.delivery import Delivery, Disorder
from newstore_sandbox.events import Shape, envelope
from newstore_sandbox.sinks import Published, Sink, WebhookSink

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Accepts = Callable[[Published], bool]


class Publisher:
    """Keeps every event and offers it to all deliveries.

    Args:
        url: A webhook that needs no registration; with None, events stay pending until a sink is registered.
        key: Bearer token for this webhook, if any.
        shape: Wire shape of the events.
        tenant: The tenant in the event-stream envelope.
    """

    def __init__(self, url: str | None, key: str | None, shape: Shape, tenant: str) -> None:
        self._shape, self._tenant = shape, tenant
        self.published: list[Published] = []
        self.disorder = Disorder()
        self._seed = 0
        self._deliveries: list[tuple[Delivery, Accepts]] = []
        self._is_paused = False
        self._lock = threading.RLock()
        if url:
            self.deliver_to(WebhookSink(url, key))

    def stop(self) -> None:
        """Stop all deliveries; pending events stay undelivered."""
        for delivery in self._all():
            delivery.stop()

    def deliver_to(self, sink: Sink, accepts: Accepts = lambda _: True, past: Sequence[Published] = ()) -> Delivery:
        """Deliver the events published from now on.

        Args:
            sink: Where they go.
            accepts: Which events it gets.
            past: Events to deliver first.
        """
        delivery = Delivery(sink, self._seed)
        with self._lock:
            delivery.disorder = self.disorder
            if self._is_paused:
                delivery.hold("paused")
            self._deliveries.append((delivery, accepts))
            delivery.offer(past)
        delivery.start()
        return delivery

    def end(self, delivery: Delivery) -> None:
        """Deliver nothing more to a sink."""
        with self._lock:
            self._deliveries = [entry for entry in self._deliveries if entry[0] is not delivery]
        delivery.stop()

    def publish(self, name: str, payload: dict[str, t.Any]) -> None:
        """Publish a new event to every delivery that accepts it."""
        event = Published(name, payload, envelope(self._shape, self._tenant, name, payload))
        with self._lock:
            self.published.append(event)
            for delivery, accepts in self._deliveries:
                if accepts(event):
                    delivery.offer([event])

    def disturb(self, disorder: Disorder, seed: int) -> None:
        """Deliver with this disorder from now on."""
        with self._lock:
            self.disorder, self._seed = disorder, seed
            for delivery, _ in self._deliveries:
                delivery.disturb(disorder, seed)

    def pause(self, *, paused: bool) -> None:
        """Hold deliveries back, or let them continue."""
        with self._lock:
            self._is_paused = paused
            for delivery, _ in self._deliveries:
                (delivery.hold if paused else delivery.release)("paused")

    def redeliver(self, times: int, seed: int | None) -> int:
        """Send every accepted event again, with a seed in random order, and return the number of deliveries."""
        count = 0
        for delivery in self._all():
            repeated = list(delivery.accepted) * times
            if seed is not None:
                random.Random(seed).shuffle(repeated)  # noqa: S311
            delivery.offer(repeated)
            count += len(repeated)
        return count

    def rejected(self) -> list[Published]:
        """Return the last events each receiver rejected."""
        return [rejected.event for delivery in self._all() for rejected in delivery.sink.rejected]

    def pending(self) -> int:
        """Return the number of deliveries still to be made."""
        if not self._deliveries:
            return len(self.published)
        return sum(delivery.pending() for delivery in self._all())

    def wait_until_delivered(self, seconds: float) -> bool:
        """Wait until nothing is pending and return True, or False on time-out."""
        until = time.monotonic() + seconds
        return all(
            delivery.wait_until_delivered(max(until - time.monotonic(), 0)) for delivery in self._all()
        ) and not (self.published and not self._deliveries)

    def _all(self) -> list[Delivery]:
        with self._lock:
            return [delivery for delivery, _ in self._deliveries]
