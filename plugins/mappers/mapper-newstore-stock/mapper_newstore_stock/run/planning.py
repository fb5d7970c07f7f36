"""Plans which keys go out, at which quantity (design rules 4 and 5).

Only keys that something happened to are computed: a completion, a change of the ERP's row, a number
NewStore has not acknowledged, a unit ahead of the mark.
"""

from __future__ import annotations

import dataclasses
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import QuantityError
from mapper_newstore_stock.ledger.proof import Proof, last_proof, remember_proof
from mapper_newstore_stock.ledger.quantities import NO_MARK, added_back, completed_since, not_negative, same_key
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut, on_hand
from mapper_newstore_stock.ledger.temporary_tables import moved, planned
from mapper_newstore_stock.run.booked_units import newly_booked_keys
from mapper_newstore_stock.run.cut_writer import BEFORE_ALL, CutWriter
from mapper_newstore_stock.run.erp_rows import NAMED_KEYS, name_keys, refuse_rows_below_folded

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.cuts import Cut
    from mapper_newstore_stock.run.intake import Intake
    from mapper_newstore_stock.state import Acknowledged

logger = logging.getLogger("mapper-newstore-stock.planning")

DEFAULT_MAX_CUT_ITEMS = 500_000


@dataclasses.dataclass(frozen=True)
class Rules:
    """The user's settings that decide what goes out.

    Attributes:
        max_cut_items: How many stock records one cut should have at most.
        ignored_nodes: Fulfillment nodes not managed here (`*` globs).
        ignored_products: Products not managed here (`*` globs).
        proof: How the ERP's numbers prove what they contain.
        negative_is_zero: Send 0 for a negative quantity instead of failing.
    """

    max_cut_items: int = DEFAULT_MAX_CUT_ITEMS
    ignored_nodes: Sequence[str] = ()
    ignored_products: Sequence[str] = ()
    proof: Proof = dataclasses.field(default_factory=Proof)
    negative_is_zero: bool = True


class Planner:
    """Plans one run's cuts from a ledger whose events and on-hand rows are up to date.

    Args:
        ledger: The run's hold on the ledger.
        acknowledged: What NewStore has, as far as this ledger can tell.
        rules: The user's settings.
    """

    def __init__(self, ledger: Ledger, acknowledged: Acknowledged, rules: Rules) -> None:
        self._ledger = ledger
        self._connection = ledger.connection
        self._acknowledged = acknowledged
        self._rules = rules

    def plan(self, intake: Intake, first_number: int) -> list[Cut]:
        """Plan the cuts of this run; the caller commits them before they are sent.

        Args:
            intake: Releases units ahead of the mark once the mark reaches them.
            first_number: Number of the run's first cut.

        Raises:
            QuantityError: a key has no on-hand row, or a quantity is negative and must not be.
            OnHandError: a row no longer contains units that were folded away.
        """
        self._last_proof = last_proof(self._connection)
        self._fill_moved()
        mark = self._mark()
        if mark is not None and self._release_up_to(intake, mark, first_number):
            self._fill_moved()
        self._refuse_missing_rows()
        refuse_rows_below_folded(self._connection, self._rules.proof)
        self._plan_keys(NO_MARK if mark is None else mark)
        self._check_negative()
        first_range = self._declared_at_first()
        writer = CutWriter(self._ledger, self._acknowledged, self._rules.max_cut_items, first_range)
        cuts = writer.write(self._not_acknowledged(), mark, first_number)
        self._forget_cuts_of_ignored()
        remember_proof(self._connection, self._rules.proof)
        for table in (moved, planned):
            self._connection.execute(table.delete())
        return cuts

    def _release_up_to(self, intake: Intake, mark: int, number: int) -> bool:
        unit = ahead_unit.c
        reached = sa.select(unit.event_id).where(unit.logical_timestamp <= mark, *self._managed(unit))
        if self._connection.execute(reached.limit(1)).first() is None:
            return False
        intake.release_up_to(mark, number)
        return True

    def _not_acknowledged(self) -> sa.ColumnElement[bool]:
        """Return the condition for completions of managed keys that NewStore has not acknowledged."""
        return sa.and_(self._beyond_acknowledged(), *self._managed(completed_unit.c))

    def _beyond_acknowledged(self) -> sa.ColumnElement[bool]:
        unit = completed_unit.c
        return sa.or_(unit.cut.is_(None), unit.cut > self._acknowledged.cut)

    def _managed(self, key: t.Any) -> list[sa.ColumnElement[bool]]:
        nodes, products = self._rules.ignored_nodes, self._rules.ignored_products
        return [
            *(~key.fulfillment_node_id.like(_like(glob), escape="\\") for glob in nodes),
            *(~key.product_id.like(_like(glob), escape="\\") for glob in products),
        ]

    def _mark(self) -> int | None:
        """Return the highest timestamp this run will declare, or any run has declared or tried to."""
        known = (
            self._declared_at_first(),
            self._connection.scalar(sa.select(sa.func.max(moved.c.highest))),
            self._connection.scalar(sa.select(sa.func.max(cut.c.mark))),
            self._acknowledged.mark,
            self._acknowledged.end,
        )
        return max((value for value in known if value is not None), default=None)

    def _declared_at_first(self) -> int | None:
        """Return `contained_through` until NewStore has a range that begins before all completions.

        NewStore may have completions that no event here tells of, from before the first one was received.
        """
        through = self._rules.proof.contained_through
        if through is None:
            return None
        from_the_beginning = sa.select(cut.c.cut).where(
            cut.c.logical_timestamp_start <= BEFORE_ALL, cut.c.cut <= self._acknowledged.cut
        )
        return None if self._connection.execute(from_the_beginning.limit(1)).first() else through

    def _refuse_missing_rows(self) -> None:
        key = moved.c
        unit = completed_unit.c
        moves_stock = sa.and_(same_key(unit, key), unit.units > 0, self._beyond_acknowledged())
        if (through := self._rules.proof.contained_through) is not None:
            moves_stock = sa.and_(moves_stock, unit.logical_timestamp > through)
        query = (
            sa.select(key.fulfillment_node_id, key.product_id)
            .where(key.touched, ~sa.exists().where(same_key(on_hand.c, key)), sa.exists().where(moves_stock))
            .order_by(key.fulfillment_node_id, key.product_id)
        )
        rows = self._connection.execute(query.limit(NAMED_KEYS + 1)).all()
        if rows:
            more = " and more" if len(rows) > NAMED_KEYS else ""
            raise QuantityError(
                f"no on-hand row for keys with completed units: {name_keys(rows[:NAMED_KEYS])}{more}. Nothing was "
                f"sent. Add them to the on-hand source, or name what is not managed here in ignored_nodes or "
                f"ignored_products"
            )

    def _plan_keys(self, mark: int) -> None:
        """Plan keys moved by new completions, and keys whose number is new."""
        row, sent = on_hand.c, self._acknowledged.cut
        in_moved = sa.exists().where(same_key(moved.c, row))
        new = [row.changed_run >= self._ledger.unread_since, row.sent_cut.is_(None), row.sent_cut > sent]
        if not self._rules.proof.says_the_same(self._last_proof):
            new.append(sa.true())
        untouched = sa.false().label("touched")
        self._plan_from(sa.select(*self._sum(mark), untouched).where(sa.or_(*new), ~in_moved))
        by_units = sa.select(*self._sum(mark), moved.c.touched).select_from(moved.join(on_hand, same_key(row, moved.c)))
        self._plan_from(by_units)

    def _fill_moved(self) -> None:
        self._connection.execute(moved.delete())
        into = moved.insert()
        unit = completed_unit.c
        key, at = (unit.fulfillment_node_id, unit.product_id), unit.logical_timestamp
        touched = sa.select(*key, sa.true(), sa.func.min(at), sa.func.max(at)).group_by(*key)
        self._connection.execute(into.from_select(moved.c.keys(), touched.where(self._not_acknowledged())))
        ahead = ahead_unit.c
        known = sa.exists().where(same_key(moved.c, ahead))
        only_ahead = sa.select(ahead.fulfillment_node_id, ahead.product_id, sa.false()).distinct().where(~known)
        self._connection.execute(into.from_select(moved.c.keys()[:3], only_ahead))
        for proven in self._newly_proven():
            node, product = proven.selected_columns
            known = sa.exists().where(moved.c.fulfillment_node_id == node, moved.c.product_id == product)
            self._connection.execute(into.from_select(moved.c.keys()[:3], proven.add_columns(sa.false()).where(~known)))

    def _newly_proven(self) -> Iterator[sa.Select[t.Any]]:
        """Select the keys whose rows prove another number of units than in the last plan, though no row has changed."""
        if self._rules.proof.form == "booked":
            yield newly_booked_keys()
        span = self._rules.proof.newly_taken(self._last_proof)
        if span:
            unit = completed_unit.c
            published = unit.published_at.between(*span)
            yield sa.select(unit.fulfillment_node_id, unit.product_id).distinct().where(published)

    def _sum(self, mark: int) -> list[sa.ColumnElement[t.Any]]:
        row, proof = on_hand.c, self._rules.proof
        return [
            row.fulfillment_node_id,
            row.product_id,
            row.quantity.label("on_hand"),
            row.as_of_logical_timestamp,
            self._units(completed_unit, completed_since(mark, proof)).label("completed"),
            self._units(ahead_unit, added_back(mark, proof)).label("added_back"),
            row.sent_quantity,
            row.sent_cut,
        ]

    def _units(self, table: sa.Table, units: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return a sum over a table; of an empty one it is 0, without a search for each key."""
        if self._connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None:
            return sa.literal(0, sa.BigInteger)
        return units

    def _plan_from(self, summed: sa.Select[t.Any]) -> None:
        """Plan the keys of a query of `_sum` and `touched` whose number NewStore does not have."""
        key = summed.subquery().c
        quantity = (key.on_hand - key.completed + key.added_back).label("quantity")
        query = sa.select(
            key.fulfillment_node_id,
            key.product_id,
            key.on_hand,
            key.as_of_logical_timestamp,
            key.completed,
            key.added_back,
            quantity,
            key.touched,
        ).where(
            sa.or_(
                key.touched,
                key.sent_cut.is_(None),
                key.sent_cut > self._acknowledged.cut,
                key.sent_quantity != not_negative(quantity),
            )
        )
        self._connection.execute(planned.insert().from_select(query.selected_columns.keys(), query))

    def _forget_cuts_of_ignored(self) -> None:
        """Take units of ignored keys out of their cuts: none carries them until they are managed again."""
        managed = self._managed(completed_unit.c)
        if managed:
            unit = completed_unit.c
            ignored = sa.and_(unit.cut > self._acknowledged.cut, ~sa.and_(*managed))
            self._connection.execute(completed_unit.update().where(ignored).values(cut=None))

    def _check_negative(self) -> None:
        key = (planned.c.fulfillment_node_id, planned.c.product_id)
        negative = sa.select(*key, planned.c.quantity).where(planned.c.quantity < 0).order_by(*key)
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


def _like(glob: str) -> str:
    """Return a `*` glob as a LIKE pattern."""
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, "\\" + special)
    return glob.replace("*", "%")
