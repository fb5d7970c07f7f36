"""One machine-readable line at the end of every run, whatever its end."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import time
import typing as t

from target_newstore_stock.errors import TargetError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("target-newstore-stock")


class RunSummary:
    """Counts what a run imports, and says it in one line when the run ends.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self.imports = self.items = self.bytes = 0
        self.is_said = False

    def count(self, items: int, json_bytes: int) -> None:
        """Count a finished import."""
        self.imports += 1
        self.items += items
        self.bytes += json_bytes

    @contextlib.contextmanager
    def ending(self, *, is_last_step: bool) -> Iterator[None]:
        """Say the summary when this block fails, or when it is the last one of the run."""
        try:
            yield
        except SystemExit as end:
            self._say(end.code if isinstance(end.code, int) else 1, _signal_name(end.code))
            raise
        except TargetError as error:
            self._say(error.exit_code, str(error))
            raise
        except Exception as error:
            self._say(1, " ".join(str(error).split()) or type(error).__name__)
            raise
        if is_last_step:
            self._say(0, "done")

    def _say(self, exit_code: int, reason: str) -> None:
        if self.is_said:
            return
        self.is_said = True
        row = {
            "event": "run_summary",
            "plugin": "target-newstore-stock",
            "imports": self.imports,
            "items": self.items,
            "bytes": self.bytes,
            "seconds": round(self._clock() - self._begun, 3),
            "exit_code": exit_code,
            "reason": reason,
        }
        logger.info("%s", json.dumps(row))


def _signal_name(code: object) -> str:
    known = {128 + number.value: number.name for number in signal.Signals}
    return known.get(code, f"exit {code}") if isinstance(code, int) else str(code)
