"""One machine-readable line at the end of every run, however it ends."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import time
import typing as t

from singer_sdk.exceptions import ConfigValidationError

from target_newstore_stock import standard_output
from target_newstore_stock.command import with_its_variable
from target_newstore_stock.errors import ConfigurationError, TargetError
from target_newstore_stock.masking import in_text

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = logging.getLogger("target-newstore-stock.summary")

NOTHING_TO_DO, FAILED = "nothing_to_do", "failed"


class RunSummary:
    """Logs a run's counts, exit code, outcome and reason as one line of JSON when the run ends.

    Attributes:
        outcome: What became of the run, as far as this part of it can know, if it does not fail.

    Args:
        counts: What the run counts; logged as it stands at the end.
        clock: Returns seconds that never go back.
    """

    def __init__(self, counts: Mapping[str, object], clock: Callable[[], float] = time.monotonic) -> None:
        self._counts = counts
        self._clock = clock
        self._begun = clock()
        self._is_logged = False
        self.outcome = NOTHING_TO_DO

    @contextlib.contextmanager
    def step(self, *, is_last: bool) -> Iterator[None]:
        """Log the summary if this block fails, or if it is the last one of the run."""
        try:
            yield
        except BaseException as error:
            unwritten = standard_output.error_of(error)
            self._log(*_exit_of(unwritten or error))
            if unwritten:
                raise unwritten from error
            raise
        if is_last:
            self._log(0, "done")

    def _log(self, exit_code: int, reason: str, code: str | None = None) -> None:
        if self._is_logged:
            return
        self._is_logged = True
        row = {
            "event": "run_summary",
            "plugin": "target-newstore-stock",
            **self._counts,
            "seconds": round(self._clock() - self._begun, 3),
            "exit_code": exit_code,
            "outcome": FAILED if exit_code else self.outcome,
            "reason": reason,
            "code": code,
        }
        logger.info("%s", json.dumps(row))


def _exit_of(error: BaseException) -> tuple[int, str, str | None]:
    """Return the exit code and the reason of a run that failed, and its code; None: it was stopped from outside."""
    if isinstance(error, SystemExit):
        names = {128 + number.value: number.name for number in signal.Signals}
        code = error.code if isinstance(error.code, int) else 1
        return code, names.get(code, f"exit {code}"), None
    if isinstance(error, ConfigValidationError):
        return ConfigurationError.exit_code, "; ".join(map(with_its_variable, error.errors)), ConfigurationError.code
    kind = error if isinstance(error, TargetError) else TargetError
    text = in_text(str(error)) if kind is not error else " ".join(str(error).split())
    return kind.exit_code, text or type(error).__name__, kind.code
