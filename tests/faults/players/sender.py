"""NewStore's side of the webhook: sends each event until it is answered 200."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterable

SENDERS = 8
CALL_SECONDS = 30


class Sender:
    """Sends events from several threads, as fast as they are answered.

    Args:
        url: The webhook.
        refusals: Answers upon which it sends again; any other is a mistake.

    Attributes:
        accepted: Timestamps answered 200.
        refusals: How often an event had to be sent again.
    """

    def __init__(self, url: str, refusals: tuple[int, ...] = (503,)) -> None:
        self.accepted: set[int] = set()
        self.refusals = 0
        self._url, self._refused_by = url, refusals
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self._pool = ThreadPoolExecutor(SENDERS)
        self._sessions = threading.local()

    def send(self, timestamps: Iterable[int]) -> None:
        """Start sending one event for each timestamp."""
        for at in timestamps:
            self._pool.submit(self._send_until_accepted, at)

    def finish(self) -> None:
        """Wait until everything is accepted."""
        self._pool.shutdown(wait=True)

    def _send_until_accepted(self, at: int) -> None:
        while not self._is_accepted(at):
            with self._lock:
                self.refusals += 1
            self._pause.wait(0.05)
        with self._lock:
            self.accepted.add(at)

    def _is_accepted(self, at: int) -> bool:
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
        try:
            answer = self._sessions.session.post(self._url, json=an_event(at, request=f"fr-{at}"), timeout=CALL_SECONDS)
        except requests.RequestException:
            return False
        assert answer.status_code in (200, *self._refused_by), answer.text
        return bool(answer.status_code == 200)
