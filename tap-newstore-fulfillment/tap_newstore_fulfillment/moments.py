"""When an event was published: any text a sender may write, read or known to be unknown."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

#: Zero dates lie before it (.NET's year 1, Windows' 1601, spreadsheets' 1899, Unix' 1970), NewStore's events after it.
#: Taken at its word, a zero date would prove that an ERP's number contains the event.
EARLIEST_YEAR = 2010
LATEST_YEAR = 9998
STRAY_SPACES = re.compile(r"\s*([:.])\s*")
#: How RFC 3339 writes a moment, which is what JSON Schema calls a `date-time`.
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

UNKNOWN: tuple[None, None] = (None, None)


def read_moment(value: t.Any) -> tuple[str, float] | tuple[None, None]:
    """Return a moment as an RFC 3339 date-time and in epoch seconds; `UNKNOWN` if it cannot be read, or be true.

    A day, or a time without a zone, is unknown: taken for another moment than it is, it would prove too much. Text
    stays as it is where it is such a date-time; real events have stray spaces (newstore-api.md, section 4).
    """
    if not isinstance(value, str):
        return UNKNOWN
    # Most have none.
    text = value if " " not in value and value == value.strip() else STRAY_SPACES.sub(r"\1", value.strip())
    moment = parsed(text)
    if moment is None or moment.tzinfo is None:
        return UNKNOWN
    return text if DATE_TIME.fullmatch(text) else moment.astimezone(dt.UTC).isoformat(), moment.timestamp()


def parsed(text: str) -> dt.datetime | None:
    """Return a day or a moment in any form of ISO 8601; None if it cannot be read, or be true."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if EARLIEST_YEAR <= moment.year <= LATEST_YEAR else None
