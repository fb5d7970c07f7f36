"""Reads only the rows of a source that changed since the last reading (`on_hand_updated_column`), and misses none.

A reading begins at the **cursor**: no transaction whose rows earlier readings did not see writes a value below it. What
proves that is described in `_after`. Where nothing can prove it, and for rows that were deleted, all rows are read
again every `full_read_hours`.
"""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.run.updated_values import Times, Watch, is_above
from mapper_newstore_stock.state import Cursor
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mapper_newstore_stock.run.clocks import Now
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.found_rows import Found
    from mapper_newstore_stock.run.on_hand import OnHandSource
    from mapper_newstore_stock.run.under_way import UnderWay

MS_PER_HOUR = 3_600_000
SET_BACK = "all of them, because a clock was set back: what changed since may seem older than what was read"


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A reading beside which transactions were open.

    Attributes:
        cursor: Whoever began after it writes no value below this.
        open: Those that were open.
    """

    cursor: Cursor | None
    open: frozenset[str]


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What the ledger keeps of the last reading, as JSON.

    Attributes:
        fingerprint: Tells whether the same rows would be read again.
        cursor: Where the next reading begins; None: at the first row.
        highest: The highest value read.
        waiting: The reading whose transactions are waited for.
    """

    fingerprint: str
    cursor: Cursor | None = None
    highest: Cursor | None = None
    waiting: Waiting | None = None


class LastReading(t.NamedTuple):
    """What is known of earlier readings.

    Attributes:
        kept: What the ledger keeps, if it was read from the same rows.
        acknowledged: The cursor of the last cut NewStore has.
        full_read_at: When all rows were last read, epoch milliseconds.
    """

    kept: Kept | None = None
    acknowledged: Cursor | None = None
    full_read_at: int | None = None

    def since(self, now_ms: int, full_read_ms: int) -> tuple[Cursor | None, str]:
        """Return where a reading begins, and why.

        Args:
            now_ms: The time, epoch milliseconds.
            full_read_ms: How often all rows are read, milliseconds.
        """
        if self.kept is None:
            return None, "all of them, for the first time with these settings"
        if self.acknowledged is None:
            return None, "all of them, because the state does not say which changes NewStore has"
        if full_read_ms == 0:
            return None, "all of them, as in every run (full_read_hours: 0)"
        if self.full_read_at is None or not 0 <= now_ms - self.full_read_at < full_read_ms:
            return None, f"all of them, as every {full_read_ms / MS_PER_HOUR:g} hours (full_read_hours)"
        if self.kept.cursor is None or type(self.kept.cursor) is not type(self.acknowledged):
            return None, "all of them, because changes under way may be older than everything that was read"
        # After a full reading of an ERP that was restored, the state may be ahead.
        since = self.acknowledged if is_above(self.kept.cursor, self.acknowledged) else self.kept.cursor
        return since, f"changed since {since}"


class ChangedRows(Value, frozen=True):
    """One reading of a source that has an updated column.

    Attributes:
        source: What is read.
        last: What is known of earlier readings.
        since: Where it begins; None: all rows are read.
        under_way: What was open in the database before it.
        watch: Watches the column.
        now: Asks for the time where rows are written.
    """

    source: OnHandSource
    last: LastReading
    since: Cursor | None
    under_way: UnderWay
    watch: Watch
    now: Callable[[], Now]

    @property
    def column(self) -> str:
        """The column's name."""
        return self.source.updated_column or ""

    @property
    def condition(self) -> sa.ColumnElement[bool] | None:
        """The condition for the rows to read; None: all."""
        if self.since is None:
            return None
        column: sa.ColumnClause[t.Any] = sa.column(self.column)
        # Inclusive: another row may have got the same moment after it was read.
        # Untyped, so that the database compares it as what the column holds.
        moment: sa.BindParameter[t.Any] = sa.bindparam("since", self.since, type_=sa.types.NullType())
        return sa.or_(column >= moment, column.is_(None))

    @classmethod
    def begin(cls, source: OnHandSource, erp: ErpTables, last: LastReading, since: Cursor | None) -> ChangedRows:
        """Ask what is under way; it must be asked before any row is read, in whatever transaction.

        All rows are read, wherever it was to begin, if that time is not past any more.

        Raises:
            OnHandError: the database cannot be reached.
        """

        def now() -> Now:
            return erp.now(source.place)

        # In this order: whoever begins after the list of what is open was made takes a later time.
        before, under_way = now(), erp.under_way(source.place)
        times = Times(source.zone, source.skew_ms)
        moments = times.named(since, before)
        if moments is not None and not times.is_past(moments, before):
            since = None
        watch = Watch(times, before, under_way.lowest_rowversion, since)
        return cls(source, last, since, under_way, watch, now)

    def watching(
        self, found: Iterator[Found], refuse: Callable[[int, t.Sequence[t.Any], str], None]
    ) -> Iterator[Found]:
        """Pass rows on, whose last value is that of the column.

        Args:
            found: The rows.
            refuse: Takes those whose value is in the future, at the end: position, values, what is wrong.

        Raises:
            OnHandError: a value is of no use.
        """
        ahead = []
        for position, values in found:
            if values[-1] is not None and self.watch.sees(values[-1]):
                ahead.append((position, values))
            yield position, values
        # Rows that were written since the first look at the clock are in no future.
        now = self.now() if ahead else self.watch.now
        for position, values in ahead:
            if self.watch.times.is_ahead(values[-1], now):
                refuse(position, values, self._in_the_future(values[-1], now))

    def kept(self) -> Kept:
        """Return what is to be kept of it: where the next reading begins, as far as that is proven now."""
        last = self.last.kept or Kept(self.source.fingerprint)
        cursor, waiting = self._after(last)
        if self.since is None:
            # An ERP that was restored may have begun anew, below what was read before.
            cursor = self._within(cursor)
        return Kept(self.source.fingerprint, cursor, self.watch.highest, waiting)

    def _after(self, last: Kept) -> tuple[Cursor | None, Waiting | None]:
        """Return where the next reading begins, and the reading whose transactions are waited for.

        Rows this reading did not see are written by transactions that began later than `under_way` was asked, or that
        were open then. The former write nothing below `_drawn`. The latter write nothing below what was drawn when the
        reading they are not open in was begun: they began after it. So the cursor moves on to a reading's values once
        all that was open beside it has ended; until then it stays, and rows are read once more rather than missed.
        """
        drawn, is_open = self._drawn(last), self.under_way.open
        if is_open is None or not (is_open or self.under_way.is_prepared):
            return drawn, None
        if last.waiting is None:
            return last.cursor, Waiting(drawn, is_open)
        if self.under_way.is_prepared or is_open & last.waiting.open:
            return last.cursor, last.waiting
        return last.waiting.cursor, Waiting(drawn, is_open)

    def _drawn(self, last: Kept) -> Cursor | None:
        """Return a value that nobody who begins later writes below.

        A time that is past is one. Of numbers, which tell no time, only those of an earlier reading are known to have
        been drawn before this one began; where the database does not say what is open, that would help nothing.
        """
        if self.under_way.open is None or self.watch.has_times:
            return self.watch.past
        return last.highest if self.watch.highest is None or last.highest is None else self._within(last.highest)

    def _within(self, cursor: Cursor | None) -> Cursor | None:
        highest = self.watch.highest
        if cursor is None or highest is None or type(cursor) is not type(highest):
            return None
        return highest if is_above(cursor, highest) else cursor

    def _in_the_future(self, value: object, now: Now) -> str:
        return (
            f"{self.column} is {value}, in the future: it is {now.local:%Y-%m-%d %H:%M:%S} there. What "
            f"changes later would seem older. Correct the row and the clock that wrote it, or set taken_at_timezone to "
            f"the zone of times that name none"
        )
