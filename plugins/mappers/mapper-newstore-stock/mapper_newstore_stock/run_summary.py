"""One machine-readable line at the end of every run, whatever its end."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import time
import typing as t

from mapper_newstore_stock.errors import MapperError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("mapper-newstore-stock.summary")


class RunSummary:
    """What a run took and gave.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.events = 0
        self.cuts = 0
        self.records = 0
        self._clock = clock
        self._begun = clock()

    @contextlib.contextmanager
    def step(self, *, is_last: bool) -> Iterator[None]:
        """Log the summary when this block fails, or when it is the last one of the run."""
        try:
            yield
        except BaseException as error:
            self._say(*_ending(error))
            raise
        if is_last:
            self._say(0, "done")

    def _say(self, exit_code: int, reason: str) -> None:
        row = {
            "event": "run_summary",
            "plugin": "mapper-newstore-stock",
            "events": self.events,
            "cuts": self.cuts,
            "records": self.records,
            "seconds": round(self._clock() - self._begun, 3),
            "exit_code": exit_code,
            "reason": reason,
        }
        logger.info("%s", json.dumps(row))


def _ending(error: BaseException) -> tuple[int, str]:
    """Give exit code and reason of a run that did not come to its end."""
    if isinstance(error, SystemExit):
        names = {128 + number.value: number.name for number in signal.Signals}
        code = error.code if isinstance(error.code, int) else 1
        return code, names.get(code, f"exit {code}")
    code = error.exit_code if isinstance(error, MapperError) else 1
    return code, " ".join(str(error).split()) or type(error).__name__
