"""Delivers events to the webhook as NewStore does (newstore-api.md, section 4).

200: accepted. 400: rejected, the stream goes on, and only the last 30 are kept. Anything
else: the same event again, while the stream waits.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import random
import threading
import typing as t

import requests

from newstore_sandbox.events import Shape, envelope

logger = logging.getLogger("newstore-sandbox.publisher")

KEPT_REJECTED = 30
RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
POST_SECONDS = 30


@dataclasses.dataclass
class Published:
    """One event and what became of its delivery."""

    name: str
    payload: dict[str, t.Any]
    body: dict[str, t.Any]
    status: str = "pending"


class Publisher:
    """A thread that posts events one after the other.

    Args:
        url: The webhook; None keeps events pending.
        key: Sent as bearer token; None sends none.
        shape: Which of the two wire shapes to send.
        tenant: Named in the Event Stream's envelope.
    """

    def __init__(self, url: str | None, key: str | None, shape: Shape, tenant: str) -> None:
        self._url, self._key, self._shape, self._tenant = url, key, shape, tenant
        self.published: list[Published] = []
        self.rejected: collections.deque[Published] = collections.deque(maxlen=KEPT_REJECTED)
        self._queue: collections.deque[Published] = collections.deque()
        self._changed = threading.Condition()
        self._paused = url is None
        self._stopping = False
        self._thread = threading.Thread(target=self._deliver_all, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is pending stays undelivered."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=POST_SECONDS)

    def publish(self, name: str, payload: dict[str, t.Any]) -> None:
        """Queue a new event."""
        event = Published(name, payload, envelope(self._shape, self._tenant, name, payload))
        with self._changed:
            self.published.append(event)
            self._queue.append(event)
            self._changed.notify_all()

    def pause(self, *, paused: bool) -> None:
        """Hold deliveries back, or let them go on."""
        with self._changed:
            self._paused = paused or self._url is None
            self._changed.notify_all()

    def redeliver(self, times: int, seed: int | None) -> int:
        """Send everything accepted so far again; with a seed, in random order."""
        with self._changed:
            again = [event for event in self.published if event.status == "accepted"] * times
            if seed is not None:
                random.Random(seed).shuffle(again)  # noqa: S311
            self._queue.extend(again)
            self._changed.notify_all()
        return len(again)

    def pending(self) -> int:
        """How many deliveries are still to be made."""
        with self._changed:
            return len(self._queue)

    def wait_until_delivered(self, seconds: float) -> bool:
        """Wait until nothing is pending; False when the time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue, timeout=seconds)

    def _deliver_all(self) -> None:
        with requests.Session() as session:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping or (self._queue and not self._paused))
                    if self._stopping:
                        return
                    event = self._queue[0]
                wait = self._deliver(session, event)
                with self._changed:
                    if wait is None:
                        self._queue.popleft()
                    else:
                        self._changed.wait_for(lambda: self._stopping, timeout=wait)
                    self._changed.notify_all()

    def _deliver(self, session: requests.Session, event: Published) -> float | None:
        """Post once; give the seconds to wait before the same event is tried again, or None."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            answer = session.post(self._url or "", json=event.body, headers=headers, timeout=POST_SECONDS)
        except requests.RequestException as error:
            logger.warning("The webhook did not answer: %s", type(error).__name__)
            return RETRY_SECONDS
        if answer.status_code == 200:
            event.status = "accepted"
        elif answer.status_code == 400:
            event.status = "rejected"
            self.rejected.append(event)
        else:
            logger.warning("The webhook answered %d", answer.status_code)
            return min(_seconds(answer.headers.get("Retry-After")), LONGEST_RETRY_SECONDS)
        return None


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else RETRY_SECONDS
