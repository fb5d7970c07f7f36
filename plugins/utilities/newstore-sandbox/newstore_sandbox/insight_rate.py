"""How often stock insights may be asked for (newstore-api.md, section 6)."""

from __future__ import annotations

import collections
import time
import typing as t

from newstore_sandbox.errors import CallError

if t.TYPE_CHECKING:
    from collections.abc import Callable

MOST_A_SECOND = 90


class InsightRate:
    """Counts calls, and refuses those beyond 90 in any second.

    Attributes:
        calls: How many were answered.
        refused: How many were not.
        most: The most that came within a second, refused ones too.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._came: collections.deque[float] = collections.deque()
        self.calls = 0
        self.refused = 0
        self.most = 0

    def take(self) -> None:
        """Note a call.

        Raises:
            CallError: there were too many within the last second.
        """
        now = self._clock()
        while self._came and self._came[0] <= now - 1:
            self._came.popleft()
        self._came.append(now)
        self.most = max(self.most, len(self._came))
        if len(self._came) > MOST_A_SECOND:
            self.refused += 1
            raise CallError(429, "too_many_requests", f"more than {MOST_A_SECOND} requests a second", retry_after=1)
        self.calls += 1
