"""One machine-readable line at the end of every run, whatever its end."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import time
import typing as t

from tap_newstore_fulfillment.errors import TapError

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger("tap-newstore-fulfillment.summary")


@contextlib.contextmanager
def summarized(records: Mapping[str, int]) -> Iterator[None]:
    """Log the summary when the block ends.

    Args:
        records: Records emitted per stream, as they stand at the end.
    """
    begun = time.monotonic()
    ending = (0, "done")
    try:
        yield
    except BaseException as error:
        ending = _ending(error)
        raise
    finally:
        row = {
            "event": "run_summary",
            "plugin": "tap-newstore-fulfillment",
            "records": dict(records),
            "seconds": round(time.monotonic() - begun, 3),
            "exit_code": ending[0],
            "reason": ending[1],
        }
        logger.info("%s", json.dumps(row))


def _ending(error: BaseException) -> tuple[int, str]:
    """Give exit code and reason of a run that did not come to its end."""
    if isinstance(error, SystemExit):
        names = {128 + number.value: number.name for number in signal.Signals}
        code = error.code if isinstance(error.code, int) else 1
        return code, names.get(code, f"exit {code}")
    code = error.exit_code if isinstance(error, TapError) else 1
    return code, " ".join(str(error).split()) or type(error).__name__
