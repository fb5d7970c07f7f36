"""Says every ten seconds what a run is at, so that a long step is not taken for one that hangs."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Row = t.TypeVar("Row")

logger = logging.getLogger("tap-newstore-fulfillment.progress")
SECONDS = 10.0
ROWS_AT_ONCE = 10_000


class Step:
    """A step of a run that may take long.

    Attributes:
        count: How far it is; whoever does the step raises it.

    Args:
        what: What is being done.
        unit: What `count` counts; "": nothing is counted.
    """

    def __init__(self, what: str, unit: str = "") -> None:
        self.count = 0
        self._what, self._begun, self._unit = what, time.monotonic(), unit

    def say(self, what: str) -> None:
        """Note what is being done now; it is timed from here, unless it is what was done before."""
        if what != self._what:
            self._what, self._begun = what, time.monotonic()

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield rows, and count them, many at a time."""
        source = iter(rows)
        while some := list(itertools.islice(source, ROWS_AT_ONCE)):
            self.count += len(some)
            yield from some

    def __str__(self) -> str:
        so_far = f", {self.count} {self._unit} so far" if self._unit else ""
        return f"{self._what} for {time.monotonic() - self._begun:.0f} s{so_far}"


@contextlib.contextmanager
def long_step(what: str, unit: str = "") -> Iterator[Step]:
    """Yield a step, and log how far it is every ten seconds until the block ends."""
    step, ended = Step(what, unit), threading.Event()

    def say() -> None:
        while not ended.wait(SECONDS):
            logger.info("%s", step)

    thread = threading.Thread(target=say, name="progress", daemon=True)
    thread.start()
    try:
        yield step
    finally:
        ended.set()
        thread.join()
