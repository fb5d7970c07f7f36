"""One stream of deliveries: a thread between the publisher and a sink."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from newstore_sandbox.sinks import Published, Sink

STOP_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Disorder:
    """How deliveries deviate from once, in order, and at once.

    Attributes:
        duplicates: Probability that an event is delivered a second time.
        shuffle: A new event is inserted at random among this many waiting ones.
        delay_seconds: Longest delay before an event is delivered.
    """

    duplicates: float = 0.0
    shuffle: int = 0
    delay_seconds: float = 0.0


class Delivery:
    """Sends events to a sink, in order; what the sink does not take is sent again before anything else.

    Args:
        sink: Where they go.
        seed: Random seed of the disorder.
    """

    def __init__(self, sink: Sink, seed: int = 0) -> None:
        self.sink = sink
        self.disorder = Disorder()
        #: Each event once, however often it was delivered.
        self.accepted: list[Published] = []
        self._seen: set[int] = set()
        self._random = random.Random(seed)  # noqa: S311
        self._waiting: list[tuple[float, Published]] = []
        self._sending: list[Published] = []
        self._changed = threading.Condition()
        self._held_by: set[str] = set()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="delivery", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; waiting events stay undelivered."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=STOP_SECONDS)

    def offer(self, events: Iterable[Published]) -> None:
        """Queue events."""
        with self._changed:
            for event in events:
                self._insert(event)
                if self._random.random() < self.disorder.duplicates:
                    self._insert(event)
            self._changed.notify_all()

    def disturb(self, disorder: Disorder, seed: int) -> None:
        """Deliver with this disorder from now on."""
        with self._changed:
            self.disorder = disorder
            self._random.seed(seed)

    def hold(self, reason: str) -> None:
        """Hold deliveries back until every reason has been released."""
        with self._changed:
            self._held_by.add(reason)

    def release(self, reason: str) -> None:
        """Remove a reason; with no reason left, deliveries continue where they stopped."""
        with self._changed:
            self._held_by.discard(reason)
            self._changed.notify_all()

    def pending(self) -> int:
        """Return the number of deliveries still to be made."""
        with self._changed:
            return len(self._waiting) + len(self._sending)

    def wait_until_delivered(self, seconds: float) -> bool:
        """Wait until nothing is pending and return True, or False on time-out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._sending, timeout=seconds)

    def _insert(self, event: Published) -> None:
        due = time.monotonic() + self._random.uniform(0, self.disorder.delay_seconds)
        end = len(self._waiting)
        self._waiting.insert(end - self._random.randint(0, min(self.disorder.shuffle, end)), (due, event))

    def _work(self) -> None:
        with self._changed:
            while not self._is_stopping:
                if self._held_by or not (self._sending or self._take_due()):
                    self._changed.wait(0.02 if self._waiting and not self._held_by else None)
                    continue
                self._deliver()

    def _take_due(self) -> bool:
        """Move due events to `_sending`, as many as the sink takes at once; return whether there are any."""
        now = time.monotonic()
        if self.sink.linger_seconds and now - self._first_due(now) < self.sink.linger_seconds:
            return False
        taken: list[int] = []
        for index, (due, _) in enumerate(self._waiting):
            if due <= now:
                taken.append(index)
            if len(taken) == self.sink.most:
                break
        self._sending = [self._waiting[index][1] for index in taken]
        for index in reversed(taken):
            del self._waiting[index]
        return bool(taken)

    def _first_due(self, now: float) -> float:
        return min((due for due, _ in self._waiting), default=now)

    def _deliver(self) -> None:
        """Send what was taken. Called with the lock held, which is released while the sink works."""
        self._changed.release()
        try:
            wait = self.sink.send(self._sending)
        finally:
            self._changed.acquire()
        if wait is None:
            self._remember(self._sending)
            self._sending = []
            self._changed.notify_all()
        else:
            self._changed.wait_for(lambda: self._is_stopping, timeout=wait)

    def _remember(self, events: list[Published]) -> None:
        for event in events:
            if event.status == "accepted" and id(event) not in self._seen:
                self._seen.add(id(event))
                self.accepted.append(event)
