"""Says once a minute what strangers can make happen thousands of times a second."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Callable

SECONDS_BETWEEN = 60.0


class OftenSaid:
    """Logs each text once a minute, with how often there was reason to.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._silent_until: dict[str, float] = {}

    def say(self, logger: logging.Logger, level: int, text: str, *values: object) -> None:
        """Log a text, or count it; the texts are few, their values may be any."""
        self._counts[text] = count = self._counts.get(text, 0) + 1
        now = self._clock()
        if now < self._silent_until.get(text, now):
            return
        self._silent_until[text] = now + SECONDS_BETWEEN
        self._counts[text] = 0
        counted = f"{text} (%d times since this was last said)"
        logger.log(level, counted, *values, count)
