"""How far the clocks of NewStore, the ERP and this host are apart, where they can be asked (form `taken_at`).

A unit counts as contained when it was published before the number was taken, less the skew. One clock tells the
first time and another one the second: if they differ by more than the skew, units that are not in the number
count as contained. So the difference is measured each run.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import time
import typing as t

from mapper_newstore_stock.errors import ClockError
from mapper_newstore_stock.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

CALL_SECONDS = 30
#: A `Date` header names the second.
SECOND_MS = 1000
#: What gives each database's time in UTC; the others are not asked.
UTC_NOW = {
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'UTC'",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mariadb": "SELECT UTC_TIMESTAMP(6)",
    "mssql": "SELECT SYSUTCDATETIME()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM dual",
}
#: What gives the time of each database's session, without a zone, as a column without one would be filled there.
LOCAL_NOW = {
    "postgresql": "SELECT clock_timestamp()::timestamp",
    "mysql": "SELECT SYSDATE(6)",
    "mariadb": "SELECT SYSDATE(6)",
    "mssql": "SELECT SYSDATETIME()",
    "oracle": "SELECT CAST(SYSTIMESTAMP AS TIMESTAMP) FROM dual",
}


class Now(t.NamedTuple):
    """What time it is where rows are written.

    Attributes:
        utc_ms: Epoch milliseconds.
        local: The same without a zone, as a column that has none would be filled there.
    """

    utc_ms: int
    local: dt.datetime


class Difference(t.NamedTuple):
    """By how much another clock is ahead of this host's: between the two, milliseconds."""

    least: int
    most: int

    def minus(self, other: Difference) -> Difference:
        """Return by how much this clock is ahead of another one that was compared with the same host."""
        return Difference(self.least - other.most, self.most - other.least)

    @property
    def certain(self) -> int:
        """How far the clocks are apart at least, milliseconds."""
        return max(self.least, -self.most, 0)


def measured(read: Callable[[], int], precision_ms: int = 0) -> Difference:
    """Compare a clock with this host's.

    Args:
        read: Asks for the other clock's time, epoch milliseconds.
        precision_ms: How much later than it says the other clock's time may be.
    """
    before = time.time_ns() // 1_000_000
    theirs = read()
    after = time.time_ns() // 1_000_000
    return Difference(theirs - after, theirs + precision_ms - before)


def database_difference(connection: sa.Connection) -> Difference | None:
    """Compare a database's clock with this host's; None: it cannot be asked, or is this host's own."""
    return measured(lambda: _utc_ms(connection)) if connection.dialect.name in UTC_NOW else None


def database_now(connection: sa.Connection) -> Now:
    """Return the time by a database's clock; by this host's where it cannot be asked."""
    if connection.dialect.name not in UTC_NOW:
        return host_now()
    local: dt.datetime = connection.exec_driver_sql(LOCAL_NOW[connection.dialect.name]).scalar_one()
    return Now(_utc_ms(connection), local.replace(tzinfo=None))


def host_now() -> Now:
    """Return the time by this host's clock."""
    now = dt.datetime.now(tz=dt.UTC)
    return Now(int(now.timestamp() * 1000), now.astimezone().replace(tzinfo=None))


def newstore_difference(url: str) -> Difference:
    """Compare NewStore's clock with this host's, by the `Date` header of an answer.

    Raises:
        OnHandError: there is no answer, or it has no such header.
    """

    def read() -> int:
        try:
            return int(email.utils.parsedate_to_datetime(_date(url)).timestamp() * 1000)
        except (KeyError, ValueError, TypeError, OverflowError, OSError) as error:
            name = type(error).__name__
            raise ClockError(
                f"newstore_clock_url: {masked(url)} does not tell NewStore's time: {name}",
                "Correct newstore_clock_url, or see why it cannot be reached from here",
            ) from error

    return measured(read, SECOND_MS)


def _date(url: str) -> str:
    """Return the `Date` of an answer; one that points elsewhere tells it too, and is not followed.

    Raises:
        OSError: there is no answer.
        KeyError: it has no such header.
    """
    # Most runs ask nobody, and start sooner without it.
    from mapper_newstore_stock.http_session import HttpSession, RedirectError  # noqa: PLC0415

    try:
        answer = HttpSession().head(url, timeout=CALL_SECONDS)
    except RedirectError as error:
        return error.headers["Date"]
    return answer.headers["Date"]


def _utc_ms(connection: sa.Connection) -> int:
    moment: dt.datetime = connection.exec_driver_sql(UTC_NOW[connection.dialect.name]).scalar_one()
    return int(moment.replace(tzinfo=dt.UTC).timestamp() * 1000)


def refuse_difference(newstore: Difference | None, erp: Difference | None, skew_seconds: float) -> None:
    """Refuse clocks that certainly differ by more than the skew.

    Args:
        newstore: NewStore's clock beside this host's; None: it was not asked, this host stands for it.
        erp: The ERP's clock beside this host's; None: it was not asked, this host stands for it.
        skew_seconds: The setting `clock_skew_seconds`.

    Raises:
        OnHandError: they do.
    """
    here = Difference(0, 0)
    apart = (erp or here).minus(newstore or here).certain / 1000
    if apart > skew_seconds:
        first = "the ERP's clock" if erp else "this host's clock"
        second = "NewStore's" if newstore else "this host's"
        raise ClockError(
            f"{first} and {second} are {apart:.1f} s apart, more than clock_skew_seconds ({skew_seconds:g}): units "
            f"that are not in the ERP's numbers would count as contained. Nothing was sent. Correct the clock or raise "
            f"the setting"
        )
