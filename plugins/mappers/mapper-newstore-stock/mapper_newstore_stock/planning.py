"""From the ledger to cuts: which keys go out, at which quantity, answering for which timestamps.

quantity(key) = on hand - completed units with as_of < timestamp <= mark (design rule 4).
"""

from __future__ import annotations

import dataclasses
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.cuts import Cut, TimestampRange, split_along_timestamps
from mapper_newstore_stock.errors import QuantityError
from mapper_newstore_stock.ledger import NAMED_KEYS, name_keys
from mapper_newstore_stock.tables import completed_unit, cut, cut_item, on_hand, planned, stock

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_newstore_stock.ledger import Ledger
    from mapper_newstore_stock.state import Acknowledged

logger = logging.getLogger("mapper-newstore-stock.planning")

STREAMED = {"yield_per": 10_000}
DEFAULT_MAX_CUT_ITEMS = 500_000


@dataclasses.dataclass(frozen=True)
class Rules:
    """The user's settings that decide what goes out.

    Attributes:
        max_cut_items: The most stock records one cut should have.
        ignored_nodes: Fulfillment nodes not managed here (`*` globs).
        ignored_products: Products not managed here (`*` globs).
        erp_is_current: The ERP's numbers always contain every completion.
        negative_is_zero: Send a negative quantity as 0 instead of failing.
    """

    max_cut_items: int = DEFAULT_MAX_CUT_ITEMS
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    erp_is_current: bool = False
    negative_is_zero: bool = True


class Planner:
    """Plans one run's cuts from a ledger whose events and on-hand rows are up to date.

    Args:
        ledger: The run's hold on the ledger.
        acknowledged: What NewStore has, as the Singer state says.
        rules: The user's settings.
    """

    def __init__(self, ledger: Ledger, acknowledged: Acknowledged, rules: Rules) -> None:
        self._ledger = ledger
        self._connection = ledger.connection
        self._acknowledged = acknowledged
        self._rules = rules

    def plan(self) -> list[Cut]:
        """Decide the cuts of this run and write them down durably, before they are sent.

        Raises:
            QuantityError: a key has no on-hand row, or is negative and must not be.
        """
        self._refuse_missing_rows()
        mark = self._mark()
        self._connection.execute(planned.delete())
        self._plan_keys(mark)
        self._check_negative()
        cuts = self._write_cuts(mark)
        self._connection.execute(planned.delete())
        self._connection.commit()
        return cuts

    def records(self, number: int) -> Iterator[sa.Row[t.Any]]:
        """Give (fulfillment_node_id, product_id, quantity) of a cut, in key order."""
        item = cut_item.c
        query = (
            sa.select(item.fulfillment_node_id, item.product_id, item.quantity)
            .where(item.cut == number)
            .order_by(item.fulfillment_node_id, item.product_id)
        )
        yield from self._connection.execute(query, execution_options=STREAMED)

    def _pending(self) -> sa.ColumnElement[bool]:
        """Completions NewStore has not acknowledged, of the keys managed here."""
        unit = completed_unit.c
        return sa.and_(
            sa.or_(unit.cut.is_(None), unit.cut > self._acknowledged.cut),
            *(~unit.fulfillment_node_id.like(_like(glob), escape="\\") for glob in self._rules.ignored_nodes),
            *(~unit.product_id.like(_like(glob), escape="\\") for glob in self._rules.ignored_products),
        )

    def _mark(self) -> int | None:
        """The highest timestamp this run will declare, or any run declared or tried to."""
        query = sa.select(sa.func.max(completed_unit.c.logical_timestamp)).where(self._pending())
        known = (
            self._connection.scalar(query),
            self._connection.scalar(sa.select(sa.func.max(cut.c.mark))),
            self._acknowledged.mark,
            self._acknowledged.end,
        )
        return max((value for value in known if value is not None), default=None)

    def _refuse_missing_rows(self) -> None:
        unit, row = completed_unit.c, on_hand.c
        query = (
            sa.select(unit.fulfillment_node_id, unit.product_id)
            .distinct()
            .where(self._pending(), ~sa.exists().where(_same_key(row, unit)))
            .order_by(unit.fulfillment_node_id, unit.product_id)
        )
        rows = self._connection.execute(query.limit(NAMED_KEYS + 1)).all()
        if rows:
            more = " and more" if len(rows) > NAMED_KEYS else ""
            raise QuantityError(
                f"no on-hand row for keys with completed units: {name_keys(rows[:NAMED_KEYS])}{more}. Nothing was "
                f"sent. Add them to the on-hand source, or name what is not managed here in ignored_nodes or "
                f"ignored_products"
            )

    def _plan_keys(self, mark: int | None) -> None:
        """Fill `planned`: keys moved by new completions, and keys whose number is new."""
        row, sent = on_hand.c, stock.c
        completed, touched = self._completed_since(mark), self._touched()
        quantity = row.quantity - sa.func.coalesce(completed.c.units, 0)
        query = (
            sa.select(
                row.fulfillment_node_id,
                row.product_id,
                quantity,
                touched.c.product_id.is_not(None),
            )
            .select_from(on_hand)
            .outerjoin(completed, _same_key(row, completed.c))
            .outerjoin(touched, _same_key(row, touched.c))
            .outerjoin(stock, _same_key(row, sent))
            .where(
                sa.or_(
                    touched.c.product_id.is_not(None),
                    sent.cut.is_(None),
                    sent.cut > self._acknowledged.cut,
                    sent.quantity != _not_negative(quantity),
                )
            )
        )
        self._connection.execute(planned.insert().from_select(planned.c.keys(), query))

    def _completed_since(self, mark: int | None) -> sa.Subquery:
        """Units per key that the ERP's number does not contain, up to the mark."""
        unit, row = completed_unit.c, on_hand.c
        counts: sa.ColumnElement[bool] = sa.false()
        if mark is not None and not self._rules.erp_is_current:
            not_contained = sa.or_(
                row.as_of_logical_timestamp.is_(None),
                unit.logical_timestamp > row.as_of_logical_timestamp,
                # A late event: the ERP cannot have counted it before its row changes again.
                sa.and_(unit.late, row.changed_run <= unit.run),
            )
            counts = sa.and_(unit.logical_timestamp <= mark, not_contained)
        return (
            sa.select(unit.fulfillment_node_id, unit.product_id, sa.func.sum(unit.units).label("units"))
            .select_from(completed_unit)
            .join(on_hand, _same_key(row, unit))
            .where(counts)
            .group_by(unit.fulfillment_node_id, unit.product_id)
            .subquery("completed")
        )

    def _touched(self) -> sa.Subquery:
        unit = completed_unit.c
        return (
            sa.select(unit.fulfillment_node_id, unit.product_id).distinct().where(self._pending()).subquery("touched")
        )

    def _check_negative(self) -> None:
        negative = sa.select(planned).where(planned.c.quantity < 0)
        rows = self._connection.execute(negative.limit(NAMED_KEYS)).all()
        if not rows:
            return
        text = ", ".join(f"{row.fulfillment_node_id}/{row.product_id} ({row.quantity})" for row in rows)
        if not self._rules.negative_is_zero:
            raise QuantityError(
                f"negative quantities: {text}. Nothing was sent. Correct the on-hand source, or set "
                f"negative_on_hand to zero"
            )
        logger.warning("Negative quantities are sent as 0: %s", text)

    def _write_cuts(self, mark: int | None) -> list[Cut]:
        first = max(self._ledger.last_cut(), self._acknowledged.cut) + 1
        cuts: list[Cut] = []
        end = self._highest_end()
        for part in self._ranges():
            number = first + len(cuts)
            size = self._fill_with_touched(number, part)
            end = part.end if end is None else max(end, part.end)
            cuts.append(Cut(number, part, size, end, mark))
        self._fill_with_rest(cuts, first, end, mark)
        if cuts:
            self._remember(cuts)
        return cuts

    def _ranges(self) -> list[TimestampRange]:
        unit = completed_unit.c
        touched = sa.select(sa.func.count()).select_from(planned).where(planned.c.touched)
        if (self._connection.scalar(touched) or 0) <= self._rules.max_cut_items:
            low, high = sa.func.min(unit.logical_timestamp), sa.func.max(unit.logical_timestamp)
            start, end = self._connection.execute(sa.select(low, high).where(self._pending())).one()
            return [] if start is None else [TimestampRange(start, end)]
        completions = (
            sa.select(unit.logical_timestamp, unit.fulfillment_node_id, unit.product_id)
            .where(self._pending())
            .order_by(unit.logical_timestamp)
        )
        rows = self._connection.execute(completions, execution_options=STREAMED)
        return split_along_timestamps(((row[0], (row[1], row[2])) for row in rows), self._rules.max_cut_items)

    def _fill_with_touched(self, number: int, part: TimestampRange) -> int:
        """Put every key with a completion in the range into a cut."""
        unit = completed_unit.c
        within = sa.and_(self._pending(), unit.logical_timestamp.between(part.start, part.end))
        keys = sa.select(unit.fulfillment_node_id, unit.product_id).distinct().where(within).subquery()
        size = self._insert_items(number, sa.select(planned).join(keys, _same_key(planned.c, keys.c)).subquery())
        self._connection.execute(completed_unit.update().where(within).values(cut=number))
        if size > self._rules.max_cut_items:
            logger.warning(
                "Cut %d has %d records, more than max_cut_items: they share one logical timestamp", number, size
            )
        return size

    def _fill_with_rest(self, cuts: list[Cut], first: int, end: int | None, mark: int | None) -> None:
        """Send keys without new completions along: in the last cut's room, then in cuts of their own."""
        keys = (planned.c.fulfillment_node_id, planned.c.product_id)
        rest = sa.select(planned).where(~planned.c.touched).order_by(*keys)
        done = 0
        if cuts and (room := self._rules.max_cut_items - cuts[-1].size) > 0:
            done = self._insert_items(cuts[-1].number, rest.limit(room).subquery())
            cuts[-1] = dataclasses.replace(cuts[-1], size=cuts[-1].size + done)
        while True:
            number = first + len(cuts)
            part = rest.limit(self._rules.max_cut_items).offset(done).subquery()
            size = self._insert_items(number, part)
            if size == 0:
                return
            done += size
            cuts.append(Cut(number, None, size, end, mark))

    def _insert_items(self, number: int, keys: sa.Subquery) -> int:
        query = sa.select(
            sa.literal(number), keys.c.fulfillment_node_id, keys.c.product_id, _not_negative(keys.c.quantity)
        )
        return self._connection.execute(cut_item.insert().from_select(cut_item.c.keys(), query)).rowcount

    def _highest_end(self) -> int | None:
        ended = sa.select(sa.func.max(cut.c.logical_timestamp_end))
        known = (self._connection.scalar(ended), self._acknowledged.end)
        return max((value for value in known if value is not None), default=None)

    def _remember(self, cuts: Sequence[Cut]) -> None:
        self._connection.execute(
            cut.insert(),
            [
                {
                    "cut": part.number,
                    "run": self._ledger.run,
                    "logical_timestamp_start": part.range.start if part.range else None,
                    "logical_timestamp_end": part.range.end if part.range else None,
                    "mark": part.mark,
                    "size": part.size,
                }
                for part in cuts
            ],
        )
        item = cut_item.c
        last = (
            sa.select(item.fulfillment_node_id, item.product_id, sa.func.max(item.quantity), sa.func.max(item.cut))
            .where(item.cut >= cuts[0].number)
            .group_by(item.fulfillment_node_id, item.product_id)
        )
        insert = self._ledger.insert(stock).from_select(stock.c.keys(), last)
        self._connection.execute(
            insert.on_conflict_do_update(
                index_elements=[stock.c.fulfillment_node_id, stock.c.product_id],
                set_={"quantity": insert.excluded.quantity, "cut": insert.excluded.cut},
            )
        )


def _same_key(left: t.Any, right: t.Any) -> sa.ColumnElement[bool]:
    return sa.and_(left.fulfillment_node_id == right.fulfillment_node_id, left.product_id == right.product_id)


def _not_negative(quantity: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((quantity < 0, 0), else_=quantity)


def _like(glob: str) -> str:
    """Write a `*` glob as a LIKE pattern."""
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, "\\" + special)
    return glob.replace("*", "%")
