"""The network between NewStore and the receiver: delivers each event when it is due, until it is answered 200."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import typing as t

import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.stories.world import Published

AGAIN_SECONDS = 0.05
CALL_SECONDS = 10


class Courier:
    """Delivers events from its own thread. Use it in a `with` block.

    Args:
        url: The webhook.
        arrived: Called with each event that was answered 200.
    """

    def __init__(self, url: str, arrived: Callable[[Published], None]) -> None:
        self._url = url
        self._arrived = arrived
        self._waiting: list[tuple[float, int, Published]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._is_stopping = self._is_busy = False
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._thread.join()

    def deliver(self, event: Published, due: float) -> None:
        """Deliver an event when it is due (seconds of `time.monotonic`)."""
        with self._changed:
            heapq.heappush(self._waiting, (due, next(self._numbers), event))
            self._changed.notify_all()

    def finish(self) -> None:
        """Wait until everything is answered."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._is_busy)

    def _work(self) -> None:
        with requests.Session() as session:
            while (event := self._next()) is not None:
                if self._is_accepted(session, event):
                    self._arrived(event)
                else:
                    self.deliver(event, time.monotonic() + AGAIN_SECONDS)
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _next(self) -> Published | None:
        with self._changed:
            while not self._is_stopping:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    self._is_busy = True
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(wait)
        return None

    def _is_accepted(self, session: requests.Session, event: Published) -> bool:
        try:
            answer = session.post(self._url, data=event.body, timeout=CALL_SECONDS)
        except requests.RequestException:
            return False
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200
