"""The values of `on_hand_updated_column`: how far a reading has come, and what lies in the future."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import re
import typing as t

from mapper_newstore_stock.errors import UnusableRowsError
from mapper_newstore_stock.run.moments import MomentReader
from mapper_newstore_stock.run.under_way import rowversion

if t.TYPE_CHECKING:
    from mapper_newstore_stock.run.clocks import Now
    from mapper_newstore_stock.state import Cursor

#: A text that is a time; any other one is a version.
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?!\d)")
#: When clocks are set back, times without a zone come a second time.
SET_BACK_MS = 3_600_000
_MINUTE_MS = 60_000


class Times(t.NamedTuple):
    """Tells what time a value of the column names.

    Attributes:
        zone: Of times that name none.
        skew_ms: How far the clocks of those who write rows may differ from the database's.
    """

    zone: str = "UTC"
    skew_ms: int = 0

    def named(self, value: object, now: Now) -> list[int] | None:
        """Return the moments a value may name, epoch milliseconds; None: it is no time.

        A time without a zone is in the configured one, or in that of the database. Only what lies in the future by
        both does so for certain.
        """
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone is added
        if isinstance(value, str) and _TIME.match(value):
            try:
                value = dt.datetime.fromisoformat(value.strip())
            except ValueError:
                return None
        if not isinstance(value, dt.datetime):
            return None
        moment = MomentReader.of(self.zone).read(value)
        if value.tzinfo:
            return [moment]
        return [moment, now.utc_ms + (value - now.local) // dt.timedelta(milliseconds=1)]

    def is_ahead(self, value: object, now: Now) -> bool:
        """Return whether a value lies in the future."""
        moments = self.named(value, now)
        return moments is not None and min(moments) > now.utc_ms + self.skew_ms

    def is_past(self, moments: list[int], now: Now) -> bool:
        """Return whether everyone who writes the time it is writes a later one than this by now."""
        return max(moments) <= now.utc_ms - self.skew_ms - (SET_BACK_MS if self._is_set_back(moments, now) else 0)

    def _is_set_back(self, moments: list[int], now: Now) -> bool:
        local_ms = int(now.local.replace(tzinfo=dt.UTC).timestamp() * 1000)
        return len(moments) > 1 and (self.zone != "UTC" or abs(local_ms - now.utc_ms) > _MINUTE_MS)


class Watch:
    """Watches the column while rows are read.

    Args:
        times: Tells what time a value names.
        now: The time before anything was read.
        below: Rowversions from here on may still be written; None: nobody knows.
        since: From where the reading begins; None: at the first row.
    """

    def __init__(self, times: Times, now: Now, below: int | None = None, since: Cursor | None = None) -> None:
        self.times, self.now, self._below = times, now, below
        #: The highest value read.
        self.highest = since
        #: The highest one that is not above what is written from now on, as far as the value itself tells.
        self.past = since
        self.has_times = False

    def sees(self, value: object) -> bool:
        """Take a value; return whether it may be in the future, by a clock that was read before it.

        Raises:
            OnHandError: it cannot be compared with another one.
        """
        cursor = as_cursor(value)
        if self.highest is None or is_above(cursor, self.highest):
            self.highest = cursor
        elif self.past is not None and not is_above(cursor, self.past):
            return False
        moments = self.times.named(value, self.now)
        if moments is None:
            if not (isinstance(value, bytes) and self._below is not None and int(cursor) >= self._below):
                self._pass(cursor)
            return False
        self.has_times = True
        if self.times.is_past(moments, self.now):
            self._pass(cursor)
            return False
        return self.times.is_ahead(value, self.now)

    def _pass(self, cursor: Cursor) -> None:
        if self.past is None or is_above(cursor, self.past):
            self.past = cursor


def as_cursor(value: object) -> Cursor:
    """Return a value as JSON can carry it, in the same order; times with a zone in UTC.

    Raises:
        OnHandError: it is no whole number, time, text or rowversion.
    """
    if isinstance(value, dt.datetime):
        with contextlib.suppress(OverflowError):
            value = value.astimezone(dt.UTC) if value.tzinfo else value
        return value.isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, bytes):
        return rowversion(value)
    raise UnusableRowsError(f"on_hand_updated_column holds {value!r}; it must hold whole numbers, times or texts")


def is_above(cursor: Cursor, other: Cursor) -> bool:
    """Return whether one value is the later one.

    Raises:
        OnHandError: they are of two kinds.
    """
    if isinstance(cursor, int) and isinstance(other, int):
        return cursor > other
    if isinstance(cursor, str) and isinstance(other, str):
        return cursor > other
    raise UnusableRowsError(
        f"on_hand_updated_column holds {cursor!r} and {other!r}, and none of them is the later one; it must hold "
        f"values of one kind"
    )
