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

UNKNOWN: tuple[None, None] = (None, None)


def read_moment(value: t.Any) -> tuple[str, float] | tuple[None, None]:
    """Return a moment as text and in epoch seconds; `UNKNOWN` if it cannot be read, or cannot be true.

    Text without a zone is UTC. It stays as it is, unless stray spaces have to go: real events have
    them (newstore-api.md, section 4).
    """
    if not isinstance(value, str):
        return UNKNOWN
    text = value
    try:
        if " " in text or text != text.strip():
            text = STRAY_SPACES.sub(r"\1", text.strip())
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return UNKNOWN
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        return UNKNOWN
    return text, (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
