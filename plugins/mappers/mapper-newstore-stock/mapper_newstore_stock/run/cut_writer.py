"""Writes planned keys into cuts, each with the timestamps it answers for (design rule 3)."""

from __future__ import annotations

import contextlib
import logging
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import (
    STREAMED,
    analyze,
    empty,
    has_any,
    has_rows,
    is_postgresql,
    temporary_index,
)
from mapper_newstore_stock.ledger.quantities import not_negative, same_key
from mapper_newstore_stock.ledger.tables import completed_unit, cut, cut_item
from mapper_newstore_stock.ledger.temporary_tables import moved, pending, planned, without_row
from mapper_newstore_stock.run.cuts import (
    BEFORE_ALL,
    Cut,
    TimestampRange,
    from_the_beginning,
    sent_completions,
    split_along_timestamps,
)
from mapper_newstore_stock.run.held_keys import needs_no_row
from mapper_newstore_stock.run.sent_numbers import forget_numbers_not_sent, note_sent, within

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.claims import Claims
    from mapper_newstore_stock.run.sent_numbers import Key
    from mapper_newstore_stock.state import Acknowledged

logger = logging.getLogger("mapper-newstore-stock.planning")


class CutWriter:
    """Writes one run's cuts.

    Args:
        ledger: The run's hold on the ledger; `planned` and `moved` are filled.
        acknowledged: What NewStore has.
        max_items: How many stock records one cut should have at most.
        from_the_beginning_to: Declare everything up to this logical timestamp, whether an event tells of it or not.
        unplanned: Keys that are to be sent and not in `planned`, in columns as it has them; none has new completions.
    """

    def __init__(
        self,
        ledger: Ledger,
        acknowledged: Acknowledged,
        max_items: int,
        from_the_beginning_to: int | None = None,
        unplanned: sa.Subquery | None = None,
    ) -> None:
        self._from_the_beginning_to = from_the_beginning_to
        self._ledger = ledger
        self._connection = ledger.connection
        self._acknowledged = acknowledged
        self._max_items = max_items
        self._unplanned = unplanned

    def write(self, carried: sa.ColumnElement[bool], claims: Claims, mark: int | None, first: int) -> list[Cut]:
        """Write all planned keys into cuts, and return the cuts.

        Args:
            carried: The condition for the completed units these cuts carry.
            claims: What their ranges may cover.
            mark: The mark all quantities were computed at.
            first: The first cut's number.
        """
        if not (has_rows(self._connection, planned) or self._has_unplanned()):
            # Completions that need no row wait for a cut that has one.
            return []
        rest = self._rest()
        end, through = self._highest_end(), self._from_the_beginning_to
        touched = self._count(sa.select(planned).where(planned.c.touched).subquery())
        is_whole = touched <= self._max_items and len(claims.ranges or ()) < 2
        is_one = through is not None and touched + self._count(rest) <= self._max_items
        with contextlib.nullcontext() if is_whole else self._pending(carried):
            ranges = self._whole_range() if is_whole else self._ranges(claims)
            if through is not None and is_one:
                ranges = from_the_beginning(ranges, through, claims.barred)
            # All keys go with the beginning: nobody knows which of them its completions are of.
            begun, others = (ranges[:1], ranges[1:]) if is_one else (ranges, [])
            cuts = self._fill(begun, first, end, mark)
            self._fill_with_rest(rest, cuts, first, cuts[-1].end if cuts else end, mark)
            cuts += self._fill(others, first + len(cuts), cuts[-1].end, mark)
        again = [] if through is None or is_one else self._send_again(cuts, through)
        self._remember([*cuts, *again])
        note_sent(self._connection, again or cuts)
        forget_numbers_not_sent(self._connection, self._acknowledged.cut, first)
        self._assign(carried, cuts, first)
        return [*cuts, *again]

    def _has_unplanned(self) -> bool:
        keys = self._unplanned
        return keys is not None and has_any(self._connection, sa.select(keys.c.product_id))

    def _rest(self) -> sa.Subquery:
        """Return the keys without new completions."""
        rest, unplanned = sa.select(planned).where(~planned.c.touched), self._unplanned
        if unplanned is None:
            return rest.subquery()
        return sa.union_all(rest, sa.select(unplanned)).subquery() if has_any(self._connection, rest) else unplanned

    def _count(self, keys: sa.Subquery) -> int:
        return self._connection.scalar(sa.select(sa.func.count()).select_from(keys)) or 0

    def _whole_range(self) -> list[TimestampRange]:
        low_high = sa.select(sa.func.min(moved.c.lowest), sa.func.max(moved.c.highest))
        start, end = self._connection.execute(low_high).one()
        return [] if start is None else [TimestampRange(start, end)]

    @contextlib.contextmanager
    def _pending(self, carried: sa.ColumnElement[bool]) -> Iterator[None]:
        """Let `pending` hold the completions that are carried, for as long as ranges are filled."""
        unit = completed_unit.c
        empty(self._connection, pending)
        query = sa.select(unit.fulfillment_node_id, unit.product_id, unit.logical_timestamp)
        self._connection.execute(pending.insert().from_select(pending.c.keys(), query.where(carried)))
        by_timestamp = temporary_index(self._connection, "pending_by_timestamp", pending.c.logical_timestamp)
        with by_timestamp, self._index_planned():
            analyze(self._connection, pending, planned)
            yield
        empty(self._connection, pending)

    def _index_planned(self) -> contextlib.AbstractContextManager[None]:
        """Index planned keys on PostgreSQL; on SQLite they are in key order already."""
        if is_postgresql(self._connection):
            return temporary_index(
                self._connection, "planned_by_key", planned.c.fulfillment_node_id, planned.c.product_id
            )
        return contextlib.nullcontext()

    def _fill(self, ranges: list[TimestampRange], first: int, end: int | None, mark: int | None) -> list[Cut]:
        """Fill a cut for each range with the keys it touches."""
        cuts: list[Cut] = []
        for part in ranges:
            end = part.end if end is None else max(end, part.end)
            number = first + len(cuts)
            size = self._fill_with_touched(number, part if len(ranges) > 1 else None)
            cuts.append(Cut(number, part, size, end, mark))
        return cuts

    def _send_again(self, cuts: Sequence[Cut], through: int) -> list[Cut]:
        """Send all keys once more, with a range that begins before all completions.

        Whether a range counts for the whole tenant or for the keys in its file is unknown (newstore-api.md, section 3).
        In the first case all numbers have to be there before it is declared, in the other each key has to go with it.
        """
        part, end = TimestampRange(BEFORE_ALL, through), max(through, cuts[-1].end or through)
        again = [msgspec.structs.replace(one, number=one.number + len(cuts), range=part, end=end) for one in cuts]
        number, *values = cut_item.c
        items = sa.select(number + len(cuts), *values).where(number.between(cuts[0].number, cuts[-1].number))
        self._connection.execute(cut_item.insert().from_select(cut_item.c.keys(), items))
        return again

    def _ranges(self, claims: Claims) -> list[TimestampRange]:
        unit = pending.c
        is_sent = sa.exists().where(same_key(planned.c, unit)).label("is_sent")
        query = sa.select(unit.logical_timestamp, unit.fulfillment_node_id, unit.product_id, is_sent)
        rows = self._connection.execute(query.order_by(unit.logical_timestamp), execution_options=STREAMED)
        return split_along_timestamps(sent_completions(rows), self._max_items, claims.ranges)

    def _fill_with_touched(self, number: int, part: TimestampRange | None) -> int:
        """Put every key with a completion in the range into a cut (None: every touched key); return how many."""
        if part is None:
            keys = sa.select(planned).where(planned.c.touched)
        else:
            unit = pending.c
            within = sa.select(unit.fulfillment_node_id, unit.product_id).distinct()
            within_part = within.where(unit.logical_timestamp.between(part.start, part.end)).subquery()
            keys = sa.select(planned).join(within_part, same_key(planned.c, within_part.c))
        size = self._insert_items(sa.literal(number), keys, planned.c)
        if size > self._max_items:
            logger.warning(
                "Cut %d has %d records, more than max_cut_items: they share one logical timestamp", number, size
            )
        return size

    def _fill_with_rest(
        self, rest: sa.Subquery, cuts: list[Cut], first: int, end: int | None, mark: int | None
    ) -> None:
        """Add keys without new completions: to the last cut while it has room, then in cuts of their own."""
        count = self._count(rest)
        if count == 0:
            return
        if not cuts or cuts[-1].size >= self._max_items:
            cuts.append(Cut(first + len(cuts), None, 0, end, mark))
        number, taken = cuts[-1].number, cuts[-1].size
        total = taken + count
        if total <= self._max_items:
            self._insert_items(sa.literal(number), sa.select(rest), rest.c)
        elif is_postgresql(self._connection) or isinstance(rest.element, sa.CompoundSelect):
            # No index has these keys in order: they are sorted once, not for each cut.
            place = sa.func.row_number().over(order_by=[rest.c.fulfillment_node_id, rest.c.product_id]) - 1
            self._insert_items(number + (place + taken) // self._max_items, sa.select(rest), rest.c)
        else:
            self._insert_one_by_one(rest, number, self._max_items - taken)
        cuts[-1] = msgspec.structs.replace(cuts[-1], size=min(total, self._max_items))
        for begun in range(self._max_items, total, self._max_items):
            cuts.append(Cut(first + len(cuts), None, min(total - begun, self._max_items), end, mark))

    def _insert_one_by_one(self, rest: sa.Subquery, number: int, room: int) -> None:
        """Fill cuts with the rest one after the other; SQLite takes three times as long to number all rows.

        Args:
            rest: The keys.
            number: The first cut's.
            room: How many keys it takes; all others take as many as a cut may have.
        """
        begin: Key | None = None
        key = (rest.c.fulfillment_node_id, rest.c.product_id)
        while True:
            from_here = sa.select(rest).where(*within(rest.c, begin, None))
            self._insert_items(sa.literal(number), from_here.limit(room), rest.c)
            following = from_here.with_only_columns(*key).order_by(*key).offset(room).limit(1)
            begin = self._connection.execute(following).one_or_none()
            if begin is None:
                return
            number, room = number + 1, self._max_items

    def _insert_items(self, number: sa.ColumnElement[int], keys: sa.Select[t.Any], key: t.Any) -> int:
        query = keys.with_only_columns(
            number,
            key.fulfillment_node_id,
            key.product_id,
            not_negative(key.quantity),
            key.on_hand,
            key.as_of_logical_timestamp,
            key.completed,
            key.added_back,
            key.vanished,
        ).order_by(key.fulfillment_node_id, key.product_id)
        statement = cut_item.insert().from_select(cut_item.c.keys(), query)
        return self._connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount

    def _highest_end(self) -> int | None:
        ended = sa.select(sa.func.max(cut.c.logical_timestamp_end))
        known = (self._connection.scalar(ended), self._acknowledged.end)
        return max((value for value in known if value is not None), default=None)

    def _remember(self, cuts: list[Cut]) -> None:
        """Record the cuts."""
        for part in cuts:
            start, end = part.range or (None, None)
            values = {"run": self._ledger.run, "mark": part.mark, "size": part.size}
            values |= {"logical_timestamp_start": start, "logical_timestamp_end": end}
            self._connection.execute(cut.insert().values(cut=part.number, **values))

    def _assign(self, carried: sa.ColumnElement[bool], cuts: list[Cut], first: int) -> None:
        """Note which cut carries each unit; the ranges of one run do not overlap.

        Units of the first cut already have its number, most of them: they are not written again, nor looked for where
        that is true of all.
        """
        unit = completed_unit.c
        ranged = [part for part in cuts if part.range]
        others = sa.select(moved.c.product_id).where(~moved.c.is_numbered)
        is_first_alone = [part.number for part in ranged] == [first]
        if not ranged or (is_first_alone and not has_any(self._connection, others)):
            return
        if has_any(self._connection, sa.select(without_row.c.product_id)):
            carried = sa.and_(carried, ~needs_no_row(self._connection))
        carries = unit.logical_timestamp.between(cut.c.logical_timestamp_start, cut.c.logical_timestamp_end)
        within_run = cut.c.cut.between(ranged[0].number, ranged[-1].number)
        is_new = sa.and_(within_run, unit.cut.is_distinct_from(cut.c.cut))
        self._connection.execute(completed_unit.update().where(carried, carries, is_new).values(cut=cut.c.cut))
