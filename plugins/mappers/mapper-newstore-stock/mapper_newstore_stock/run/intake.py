"""Takes the tap's events into the ledger.

They are collected in a temporary table and move to the ledger in one step, in the ledger's own
order: so each of its pages is written once a run, however large the run is.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.events import completed_units, references
from mapper_newstore_stock.ledger.database import BATCH_ROWS, begin_writing_rows, has_rows, insert, load
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, run
from mapper_newstore_stock.ledger.temporary_tables import taken_ahead_unit, taken_reference, taken_unit
from mapper_newstore_stock.run.folded_units import leave_out_folded
from mapper_newstore_stock.run.late_units import note_late
from mapper_newstore_stock.run.one_tenant import OneTenant, note_tenant, tenant_of
from mapper_newstore_stock.run.pruned_past import note_unknown_past

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from mapper_newstore_stock.events import Event
    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.cuts import TimestampRange
    from mapper_newstore_stock.state import Taken

REFERENCE = ("published_at", "fulfillment_request_id", "order_id")
UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id", "units")


class Intake:
    """Takes one run's units; units that no STATE of the tap covers are left out (design rule 3).

    Args:
        ledger: The run's hold on the ledger.
        keeps_references: Keep what the units can be proven by; not every form of proof needs it.
        ignore_shipped_before: Units shipped before it (epoch milliseconds) never stood on these shelves.
    """

    def __init__(
        self, ledger: Ledger, *, keeps_references: bool = False, ignore_shipped_before: int | None = None
    ) -> None:
        self._ledger = ledger
        self._ignore_before = ignore_shipped_before
        self._keeps_references = keeps_references
        self._references: list[tuple[t.Any, ...]] = []
        self._connection = ledger.connection
        self._tenant = OneTenant(tenant_of(ledger.connection))
        self._rows: list[tuple[t.Any, ...]] = []
        self._rows_ahead: list[tuple[t.Any, ...]] = []
        self._batch = 0
        #: Units that were known before have been told what they can be proven by.
        self.has_referred = False
        self._covered: Taken | None = None
        self._tap_says_when_complete = False
        self._others_mark: int | None = None
        self._contained_through: int | None = None
        #: Logical timestamps the tap had passed before, each with the first batch of events late below it.
        self._late_through: dict[int, int] = {}

    def take(self, events: list[Event]) -> None:
        """Take the units that left a shelf with these events.

        Raises:
            TenantError: they are another tenant's.
        """
        self._tenant.check(dict.fromkeys([event.tenant for event in events]))
        batch = self._batch
        if self._keeps_references:
            self._references += references(events)
        if ahead := [event for event in events if not event.released]:
            self._rows_ahead += [(batch, *units) for units in completed_units(ahead, self._ignore_before)]
            events = [event for event in events if event.released]
        self._rows += [(batch, *units) for units in completed_units(events, self._ignore_before)]
        if len(self._rows) + len(self._rows_ahead) >= BATCH_ROWS:
            self._hand_over()

    def begin_at(self, taken: Taken, others_mark: int | None, contained_through: int | None) -> None:
        """Note the tap's input state, which somebody may have edited: the ledger remembers what kind of tap it is.

        Args:
            taken: The tap's bookmark in it.
            others_mark: The mark of the last cut NewStore has, where that cut is another ledger's: what was completed
                up to it this one need not know yet. None: the cut is its own, or there is none.
            contained_through: Every number contains the completions up to this logical timestamp.
        """
        self._others_mark, self._contained_through = others_mark, contained_through
        is_ours = taken.store_id is not None or self._ledger.has_taken_from_a_store()
        self._tap_says_when_complete = is_ours or taken.complete is not None

    def cover(self, taken: Taken) -> None:
        """Note the tap's bookmark that covers everything taken so far."""
        self._batch += 1
        self._covered = taken
        if taken.late_through is not None:
            self._late_through.setdefault(taken.late_through, self._batch)

    @property
    def holes(self) -> Sequence[TimestampRange]:
        """Timestamps of events the tap was refused: no range may cover them."""
        return self._covered.holes if self._covered else ()

    @property
    def oldest(self) -> int | None:
        """The tap leaves out events with a lower logical timestamp; None: none."""
        return self._covered.oldest if self._covered else None

    @property
    def is_complete(self) -> bool:
        """The tap has sent all that its run releases; a tap that says so does in its last STATE.

        One that never says so is taken at its word, unless a new ledger has not yet come as far as the mark: NewStore
        no longer subtracts what was completed up to there.
        """
        if self._covered is None:
            return not self._tap_says_when_complete and self._knows_the_past
        if self._covered.complete is None:
            return self._knows_the_past
        return self._covered.complete is not False

    @property
    def _knows_the_past(self) -> bool:
        if self._others_mark is None:
            return True
        taken = self._covered.through if self._covered else None
        known = (self._ledger.seen_through, taken, self._contained_through)
        return any(through is not None and through >= self._others_mark for through in known)

    def finish(self, cut: int) -> None:
        """Commit the units covered, with the bookmark that covers them.

        Events already known change nothing, however often they come.

        Args:
            cut: The cut that is to carry the units; set now, so that they need not be updated later.

        Raises:
            LedgerError: an event is older than those the ledger can still tell apart.
        """
        if self._covered is None:
            return
        self._hand_over()
        begin_writing_rows(self._connection)
        if has_rows(self._connection, taken_unit, taken_ahead_unit):
            self._take(cut)
        self._connection.execute(
            run.update()
            .where(run.c.run == self._ledger.run)
            .values(
                taken_through=self._covered.through,
                taken_position=self._covered.position,
                taken_store_id=self._covered.store_id,
            )
        )
        note_unknown_past(self._connection, self._covered, self._ledger.run)
        note_tenant(self._connection, self._tenant.seen)
        self._connection.commit()

    def _take(self, cut: int) -> None:
        """Take the units that came into the ledger."""
        for table in (taken_unit, taken_ahead_unit):
            leave_out_folded(self._connection, table, self._batch)
        self._complete(self._with_references(taken_unit), self._is_said_to_be_late(), cut)
        self._add_ahead()
        if self._keeps_references:
            self._refer()

    def release_up_to(self, mark: int, cut: int) -> None:
        """Count units known ahead as completed, up to a mark.

        A range up to the mark may already have been declared; NewStore then no longer subtracts the
        units by itself.
        """
        reached = ahead_unit.c.logical_timestamp <= mark
        units = sa.select(*(ahead_unit.c[name] for name in (*UNIT, *REFERENCE, "booked", "run"))).where(reached)
        self._complete(units, sa.false(), cut)
        self._connection.execute(ahead_unit.delete().where(reached))

    def _hand_over(self) -> None:
        for table, rows in (
            (taken_unit, self._rows),
            (taken_ahead_unit, self._rows_ahead),
            (taken_reference, self._references),
        ):
            if rows:
                load(self._connection, table, rows)
                rows.clear()

    def _came(self, table: sa.Table) -> sa.Select[t.Any]:
        return sa.select(*(table.c[name] for name in UNIT)).where(table.c.batch < self._batch)

    def _is_said_to_be_late(self) -> sa.ColumnElement[bool]:
        """Return the condition that the tap said a unit came late; a new ledger could not tell."""
        unit = taken_unit.c
        said = (
            sa.and_(unit.batch >= batch, unit.logical_timestamp <= through)
            for through, batch in self._late_through.items()
        )
        return sa.or_(sa.false(), *said)

    def _with_references(self, table: sa.Table) -> sa.Select[t.Any]:
        """Select the units that came, with what they can be proven by where the form of proof needs it."""
        if not self._keeps_references:
            return self._came(table)
        reference = taken_reference.c
        known = self._came(table).join(taken_reference, reference.event_id == table.c.event_id, isouter=True)
        return known.add_columns(*(reference[name] for name in REFERENCE))

    def _complete(self, units: sa.Select[t.Any], late: sa.ColumnElement[bool], cut: int) -> None:
        """Insert completed units; those known already change nothing."""
        unit, seen = units.selected_columns, self._ledger.seen_through
        if seen is not None:
            late = sa.or_(late, unit.logical_timestamp <= seen)
        note_late(self._connection, units, late)
        came = units.order_by(*(unit[name] for name in UNIT[:4]))
        values: dict[str, sa.ColumnElement[t.Any]] = {
            "late": late,
            "cut": sa.literal(cut),
            "run": sa.literal(self._ledger.run),
        }
        added = [name for name in values if name not in unit]
        came = came.add_columns(*(values[name] for name in added))
        statement = insert(self._connection, completed_unit).from_select([*unit.keys(), *added], came)
        self._connection.execute(statement.on_conflict_do_nothing())

    def _add_ahead(self) -> None:
        came = self._with_references(taken_ahead_unit).add_columns(sa.literal(self._ledger.run).label("run"))
        statement = insert(self._connection, ahead_unit).from_select(came.selected_columns.keys(), came)
        self._connection.execute(statement.on_conflict_do_nothing())
        self._keep_first_runs()
        released = sa.exists().where(_same_unit(completed_unit.c, ahead_unit.c))
        self._connection.execute(ahead_unit.delete().where(released))

    def _keep_first_runs(self) -> None:
        """Date units that are released by now back to the run that first knew them, with what was proven since.

        A tap that was told to go back may send units as not released that were.
        """
        ahead = ahead_unit.c
        columns = [ahead[name].label(f"of_{name}") for name in (*UNIT[:4], "run", "booked")]
        was_known = sa.exists().where(_same_unit(completed_unit.c, ahead), ahead.run < completed_unit.c.run)
        if rows := self._connection.execute(sa.select(*columns).where(was_known)).mappings().all():
            same = (completed_unit.c[name] == sa.bindparam(f"of_{name}") for name in UNIT[:4])
            dated = completed_unit.update().where(*same)
            dated = dated.values(run=sa.bindparam("of_run"), booked=sa.bindparam("of_booked"))
            self._connection.execute(dated, [dict(row) for row in rows])

    def _refer(self) -> None:
        """Tell units that were known before what they can be proven by: they came when no form of proof needed it."""
        reference = taken_reference.c
        values = {name: reference[name] for name in REFERENCE}
        for units, taken in ((completed_unit, taken_unit), (ahead_unit, taken_ahead_unit)):
            unknown = sa.and_(*(units.c[name].is_(None) for name in REFERENCE))
            same = sa.and_(_same_unit(units.c, taken.c), reference.event_id == taken.c.event_id)
            came = sa.and_(same, taken.c.batch < self._batch)
            told = self._connection.execute(units.update().where(came, unknown).values(values))
            self.has_referred = self.has_referred or bool(told.rowcount)


def _same_unit(left: t.Any, right: t.Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        same_key(left, right),
        left.logical_timestamp == right.logical_timestamp,
        left.event_id == right.event_id,
    )
