"""The receiver's log: one JSON object per line, without bodies or secrets."""

from __future__ import annotations

import datetime as dt
import logging
import sys
import typing as t

import msgspec

from tap_newstore_fulfillment.command_log import meltano_reads_levels


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger and message, and the fields given as `extra={"fields": {...}}`.

    Args:
        for_meltano: Also write what Meltano needs to read the level of the line.
    """

    def __init__(self, *, for_meltano: bool = False) -> None:
        super().__init__()
        self._for_meltano = for_meltano

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
            **(_for_meltano(record) if self._for_meltano else {}),
        }
        if record.exc_info:
            # The type only: a driver's message may quote parameters, and so parts of a body.
            line["error"] = getattr(record.exc_info[0], "__name__", "")
        return msgspec.json.encode(line, enc_hook=str).decode()


def log_all_as_json() -> None:
    """Send all logs of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(for_meltano=meltano_reads_levels()))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _for_meltano(record: logging.LogRecord) -> dict[str, t.Any]:
    """Return the fields of the Singer SDK's structured log that ours has not, or names otherwise."""
    return {
        "logger_name": record.name,
        "ts": record.created,
        "pid": record.process,
        "thread_name": record.threadName,
        "app_name": "newstore-event-receiver",
    }
