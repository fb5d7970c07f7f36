"""Sinks of deliveries: a webhook, or export files (newstore-api.md, section 4)."""

from __future__ import annotations

import collections
import dataclasses
import logging
import typing as t
import uuid

import requests

from newstore_sandbox.events import now

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger("newstore-sandbox.sinks")

KEPT_REJECTED = 30
RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0
POST_SECONDS = 30


@dataclasses.dataclass
class Published:
    """One event, and the status of its delivery."""

    name: str
    payload: dict[str, t.Any]
    body: dict[str, t.Any]
    status: str = "pending"


@dataclasses.dataclass(frozen=True)
class Rejected:
    """An event a receiver rejected for good; the id is 36 characters."""

    event: Published
    id: str = dataclasses.field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = dataclasses.field(default_factory=now)


class Sink(t.Protocol):
    """A receiver of events.

    Attributes:
        most: The most events it takes at once.
        linger_seconds: How long the first waiting event waits for others.
        rejected: The last events it rejected for good.
    """

    most: int
    linger_seconds: float
    rejected: collections.deque[Rejected]

    def send(self, events: Sequence[Published]) -> float | None:
        """Deliver events; return None, or the seconds to wait before the same events are sent again."""

    def takes(self, event: Published) -> bool:
        """Deliver one event outside the stream, and return whether it was accepted."""


class WebhookSink:
    """Posts one event at a time.

    On 200 the event is accepted. On 400 it is rejected and the stream goes on; only the last 30
    rejected events are kept. On anything else the stream waits as long as `Retry-After` asks and
    sends the same event again.
    """

    most = 1
    linger_seconds = 0.0

    def __init__(self, url: str, key: str | None) -> None:
        self._url, self._key = url, key
        self._session = requests.Session()
        self.rejected: collections.deque[Rejected] = collections.deque(maxlen=KEPT_REJECTED)

    def send(self, events: Sequence[Published]) -> float | None:
        """Post the event; return None, or the seconds to wait before it is sent again."""
        (event,) = events
        answer = self._post(event)
        if answer is None:
            return RETRY_SECONDS
        if answer.status_code == 200:
            event.status = "accepted"
        elif answer.status_code == 400:
            event.status = "rejected"
            self.rejected.append(Rejected(event))
        else:
            logger.warning("The webhook answered %d", answer.status_code)
            return min(_seconds(answer.headers.get("Retry-After")), LONGEST_RETRY_SECONDS)
        return None

    def takes(self, event: Published) -> bool:
        """Post one event, and return whether the answer was 200."""
        answer = self._post(event)
        if answer is None or answer.status_code != 200:
            return False
        event.status = "accepted"
        return True

    def _post(self, event: Published) -> requests.Response | None:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            return self._session.post(self._url, json=event.body, headers=headers, timeout=POST_SECONDS)
        except requests.RequestException as error:
            logger.warning("The webhook did not answer: %s", type(error).__name__)
            return None


class ExportFileSink:
    """Writes the events published since the last file to the next one.

    Args:
        write: Writes one file of events.
        seconds: Time from the first event of a file to its upload.
        most: The most events in a file.
    """

    def __init__(self, write: Callable[[Sequence[Published]], object], seconds: float, most: int = 10_000) -> None:
        self._write = write
        self.linger_seconds = seconds
        self.most = most
        self.rejected: collections.deque[Rejected] = collections.deque(maxlen=KEPT_REJECTED)

    def send(self, events: Sequence[Published]) -> float | None:
        """Write a file; after any error of the object store the same events are written again."""
        try:
            self._write(events)
        except Exception as error:  # noqa: BLE001 - each store's client raises its own errors
            logger.warning("The export file could not be written: %s", error)
            return RETRY_SECONDS
        for event in events:
            event.status = "accepted"
        return None

    def takes(self, event: Published) -> bool:
        """Write a file with one event, and return whether it was written."""
        return self.send([event]) is None


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdigit() else RETRY_SECONDS
