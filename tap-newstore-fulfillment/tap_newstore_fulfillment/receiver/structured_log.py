"""The receiver's log: one JSON object per line, without bodies or secrets."""

from __future__ import annotations

import datetime as dt
import logging
import sys

import msgspec


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger and message, and the fields given as `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            # The type only: a driver's message may quote parameters, and so parts of a body.
            line["error"] = getattr(record.exc_info[0], "__name__", "")
        return msgspec.json.encode(line, enc_hook=str).decode()


def log_to_stderr() -> None:
    """Send all logs of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
