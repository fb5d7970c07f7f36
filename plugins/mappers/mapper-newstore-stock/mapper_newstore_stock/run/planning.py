"""Plans which keys go out, at which quantity (design rules 4 and 5).

Only keys that something happened to are computed: a completion, a change of the ERP's row, a number
NewStore has not acknowledged, a unit ahead of the mark.
"""

from __future__ import annotations

import collections
import logging
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import analyze, empty, has_any, has_rows, is_postgresql
from mapper_newstore_stock.ledger.hidden import CAUSES, hidden_by
from mapper_newstore_stock.ledger.proof import last_proofs
from mapper_newstore_stock.ledger.quantities import (
    NO_MARK,
    added_back,
    completed_since,
    not_covered,
    not_negative,
    passed_over,
    planned_as,
    quantity_of,
    same_key,
    summed_once,
)
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut, on_hand, unclaimed
from mapper_newstore_stock.ledger.temporary_tables import moved, planned, uncovered_unit, without_row
from mapper_newstore_stock.run.candidates import Candidates
from mapper_newstore_stock.run.claims import note_unclaimed
from mapper_newstore_stock.run.cut_writer import CutWriter
from mapper_newstore_stock.run.cuts import BEFORE_ALL
from mapper_newstore_stock.run.folded_rows import refuse_rows_below_folded
from mapper_newstore_stock.run.held_keys import is_zeroed, note_keys, usable
from mapper_newstore_stock.run.hidden_units import account
from mapper_newstore_stock.run.late_units import note_rows
from mapper_newstore_stock.run.negative_numbers import refuse_negative
from mapper_newstore_stock.run.unprovable_units import say_what_nothing_can_prove
from mapper_newstore_stock.run.vanished_keys import meant_otherwise, name_keys_meant_otherwise

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.cuts import Cut, TimestampRange
    from mapper_newstore_stock.run.intake import Intake
    from mapper_newstore_stock.run.rules import Rules
    from mapper_newstore_stock.state import Acknowledged

logger = logging.getLogger("mapper-newstore-stock.planning")


class Planner:
    """Plans one run's cuts from a ledger whose events and on-hand rows are up to date.

    Args:
        ledger: The run's hold on the ledger.
        acknowledged: What NewStore has, as far as this ledger can tell.
        rules: The user's settings.
        holes: Timestamps of events the tap was refused: no range covers them (design rule 18).
    """

    def __init__(
        self,
        ledger: Ledger,
        acknowledged: Acknowledged,
        rules: Rules,
        holes: Sequence[TimestampRange] = (),
    ) -> None:
        self._ledger = ledger
        self._connection = ledger.connection
        self._acknowledged = acknowledged
        self._rules = rules
        self._last_proofs = last_proofs(self._connection)
        self._from_the_beginning_to = self._declared_at_first()
        to = self._from_the_beginning_to
        self._candidates = Candidates(ledger, acknowledged, rules, holes, self._last_proofs, from_the_beginning_to=to)
        #: How many keys are held, stale or vanished; and the unit-minutes found hidden.
        self.counts: collections.Counter[str] = collections.Counter()

    def plan(self, intake: Intake, first_number: int) -> list[Cut]:
        """Plan the cuts of this run; the caller commits them before they are sent.

        Args:
            intake: Releases units ahead of the mark once the mark reaches them.
            first_number: Number of the run's first cut.

        Raises:
            QuantityError: too many keys have no on-hand row, or a quantity is negative and must not be.
            OnHandError: a row no longer contains units that were folded away.
        """
        note_rows(self._connection)
        found = self._candidates
        found.fill(first_number, has_referred=intake.has_referred)
        mark = self._mark()
        if mark is not None and self._release_up_to(intake, mark, first_number):
            found.fill(first_number, has_referred=intake.has_referred)
            mark = self._mark()
        refuse_rows_below_folded(self._connection, self._rules, self._last_proofs)
        say_what_nothing_can_prove(self._connection, self._rules.proofs, self._last_proofs)
        last = _or_none_yet(self._declared())
        note_unclaimed(self._connection, found.covered(), found.barred, last, _or_none_yet(mark))
        self._note_uncovered(_or_none_yet(mark))
        unplanned = self._plan_keys(_or_none_yet(mark))
        refuse_negative(self._connection, self._rules, unplanned)
        self._count_hidden(account(self._ledger, self._rules.proofs))
        most = self._rules.max_cut_items
        writer = CutWriter(self._ledger, self._acknowledged, most, self._from_the_beginning_to, unplanned)
        claims = found.claims.leaving_out(self._from_the_beginning_to, intake.oldest)
        cuts = writer.write(found.carried(), claims, mark, first_number)
        found.forget_cuts_of_others()
        self.counts.update(note_keys(self._connection, self._rules, self._ledger.started_at))
        empty(self._connection, moved, planned, without_row, uncovered_unit)
        return cuts

    def _count_hidden(self, minutes: Mapping[str, float]) -> None:
        """Count unit-minutes by cause, and say what lowers each."""
        self.counts["hidden"] = round(sum(minutes.values()))
        self.counts.update({hidden_by(cause): round(amount) for cause, amount in minutes.items()})
        for cause, amount in minutes.items():
            if whole := round(amount):
                lowers = CAUSES[cause].lowered_by
                logger.info("%d unit-minutes were hidden from sale: %s. What lowers it: %s", whole, cause, lowers)

    def _release_up_to(self, intake: Intake, mark: int, number: int) -> bool:
        unit = ahead_unit.c
        reached = sa.select(unit.event_id).where(unit.logical_timestamp <= mark, *self._candidates.managed(unit))
        if not (has_rows(self._connection, ahead_unit) and has_any(self._connection, reached)):
            return False
        intake.release_up_to(mark, number)
        return True

    def _mark(self) -> int | None:
        """Return the highest timestamp this run will declare, or any run has declared or tried to."""
        highest = None
        if has_rows(self._connection, moved):
            highest = self._connection.scalar(sa.select(sa.func.max(moved.c.highest)))
        known = (highest, self._declared())
        return max((value for value in known if value is not None), default=None)

    def _declared(self) -> int | None:
        """Return the highest timestamp any run has declared or tried to."""
        known = (
            self._from_the_beginning_to,
            self._connection.scalar(sa.select(sa.func.max(cut.c.mark))),
            self._acknowledged.mark,
            self._acknowledged.end,
        )
        return max((value for value in known if value is not None), default=None)

    def _declared_at_first(self) -> int | None:
        """Return `contained_through` until NewStore has a range that begins before all completions.

        NewStore may have completions that no event here tells of, from before the first one was received.
        """
        through = self._rules.proofs.contained_through
        if through is None or through < BEFORE_ALL:
            return None
        begun = sa.select(sa.func.max(cut.c.cut)).where(cut.c.logical_timestamp_start <= BEFORE_ALL)
        last = self._connection.scalar(begun)
        if last is not None and last <= self._acknowledged.cut:
            return None
        if self._rules.unusable_nodes:
            # It would claim completions of keys that are held, also those of which no event tells.
            logger.warning("Nothing is declared up to contained_through (%d) before every source can be read", through)
            return None
        return through

    def _note_uncovered(self, mark: int) -> None:
        """Fill `uncovered_unit`: few units, found once and not for each key."""
        if not self._candidates.claims.are_partial and not has_rows(self._connection, unclaimed):
            return
        unit = completed_unit.c
        no_range = unit.logical_timestamp.in_(sa.select(unclaimed.c.logical_timestamp))
        names = uncovered_unit.columns.keys()
        query = sa.select(*(unit[name] for name in names)).where(sa.or_(unit.logical_timestamp > mark, no_range))
        self._connection.execute(uncovered_unit.insert().from_select(names, query))

    def _plan_keys(self, mark: int) -> sa.Subquery | None:
        """Plan keys moved by new completions, and keys whose number is new.

        Those without completions are not planned before the first cut, but returned, in columns as `planned` has them:
        there may be millions, and they are written once, into their cut.
        """
        row, is_first, has_moved = on_hand.c, not self._ledger.last_cut(), has_rows(self._connection, moved)
        is_new = self._is_new()
        has_new = not is_first and has_any(self._connection, sa.select(row.product_id).where(is_new))
        if not (is_first or has_moved or has_new or self._rules.proofs.has_absent):
            return None
        if has_moved:
            analyze(self._connection, moved, completed_unit, on_hand)
        usable_rows = self._usable_rows()
        # Of a first cut, SQLite would look into the empty table once for each row.
        not_moved = [~sa.exists().where(same_key(moved.c, row))] if has_moved else []
        untouched = (sa.false().label("touched"), sa.literal(0, sa.BigInteger).label("new_units"))
        by_rows = sa.select(*self._sum(mark), *untouched).where(*not_moved, *usable_rows)
        # SQLite reads the first cuts part by part, each from where it begins: for that it has to merge them.
        first = summed_once(by_rows) if is_postgresql(self._connection) else by_rows.subquery()
        unplanned = planned_as(first.c).subquery() if is_first else None
        if has_new:
            self._plan_from(by_rows.where(is_new))
        if self._rules.proofs.has_absent and not is_first:
            otherwise = sa.and_(meant_otherwise(self._rules), ~is_new)
            self._plan_from(by_rows.where(otherwise))
            name_keys_meant_otherwise(self._connection, otherwise)
        if has_moved:
            new_units = sa.func.coalesce(moved.c.new_units, 0).label("new_units")
            from_units = sa.select(*self._sum(mark), moved.c.touched, new_units)
            by_units = from_units.select_from(moved.join(on_hand, same_key(row, moved.c)))
            self._plan_from(by_units.where(*usable_rows))
        return unplanned

    def _is_new(self) -> sa.ColumnElement[bool]:
        """Return the condition for rows that may give their keys another number than NewStore has, by themselves."""
        row, sent = on_hand.c, self._acknowledged.cut
        new = [row.changed_run >= self._ledger.unread_since, row.sent_cut.is_(None), row.sent_cut > sent]
        return sa.or_(*new, *(row.source == name for name in self._proven_otherwise()))

    def _usable_rows(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions for rows that give their keys a number; of a usual list all do."""
        is_one_list = list(self._rules.proofs.by_source) == [""] and not self._rules.unusable
        return [] if is_one_list and not self._rules.proofs.has_absent else [usable(self._rules)]

    def _proven_otherwise(self) -> list[str]:
        """Return the sources whose rows prove what they contain in another way than in the last plan."""
        proofs = self._rules.proofs.by_source.items()
        return [name for name, proof in proofs if not proof.says_the_same(self._last_proofs.get(name))]

    def _sum(self, mark: int) -> list[sa.ColumnElement[t.Any]]:
        row, proofs = on_hand.c, self._rules.proofs
        completed = self._units(completed_unit, completed_since(mark, proofs))
        added = self._units(ahead_unit, added_back(mark, proofs))
        if has_rows(self._connection, uncovered_unit):
            completed -= passed_over(mark, proofs)
            added += not_covered(proofs)
        return [
            row.fulfillment_node_id,
            row.product_id,
            row.quantity.label("on_hand"),
            row.as_of_logical_timestamp,
            completed.label("completed"),
            added.label("added_back"),
            row.sent_quantity,
            row.sent_cut,
            (is_zeroed(self._rules) if proofs.has_absent else sa.false()).label("vanished"),
        ]

    def _units(self, table: sa.Table, units: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """Return a sum over a table; of an empty one it is 0, without a search for each key."""
        return units if has_rows(self._connection, table) else sa.literal(0, sa.BigInteger)

    def _plan_from(self, summed: sa.Select[t.Any]) -> None:
        """Plan the keys of a query of `_sum`, `touched` and `new_units` whose number NewStore does not have."""
        key = summed_once(summed).c
        query = planned_as(key).where(
            sa.or_(
                key.touched,
                key.sent_cut.is_(None),
                key.sent_cut > self._acknowledged.cut,
                key.sent_quantity != not_negative(quantity_of(key)),
            )
        )
        self._connection.execute(planned.insert().from_select(query.selected_columns.keys(), query))


def _or_none_yet(mark: int | None) -> int:
    return NO_MARK if mark is None else mark
