"""The product, deliberately broken: each function makes it violate one of the design's rules 1 to 9.

Each replaces one piece of the real product for the duration of a test.
"""

from __future__ import annotations

import dataclasses
import typing as t

import msgspec
import sqlalchemy as sa
from mapper_newstore_stock.ledger import quantities, tables
from mapper_newstore_stock.ledger.proof import Proof, Proofs
from mapper_newstore_stock.ledger.store import Ledger
from mapper_newstore_stock.ledger.temporary_tables import planned
from mapper_newstore_stock.run import cut_writer, planning, records, stock_run
from mapper_newstore_stock.run.candidates import Candidates
from mapper_newstore_stock.run.cut_writer import CutWriter
from mapper_newstore_stock.run.cuts import TimestampRange
from mapper_newstore_stock.run.intake import UNIT
from mapper_newstore_stock.run.intake import Intake as LedgerIntake
from mapper_newstore_stock.run.planning import Planner
from tap_newstore_fulfillment.landing import inserts
from tap_newstore_fulfillment.landing import store as landing_store
from tap_newstore_fulfillment.landing.store import LandingStore
from target_newstore_stock.errors import ImportJobError
from target_newstore_stock.import_jobs import ImportJobs
from target_newstore_stock.intake import Intake as CutIntake
from target_newstore_stock.stock_import import StockImport

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    import singer_sdk.singerlib as singer
    from mapper_newstore_stock.run.claims import Claims
    from mapper_newstore_stock.run.cuts import Cut
    from mapper_newstore_stock.state import Acknowledged
    from tap_newstore_fulfillment.landing.release import ReleasePlan

_unit, _row = tables.completed_unit.c, tables.on_hand.c


def plain_maximum_is_the_release_mark(patch: pytest.MonkeyPatch) -> None:
    plan = LandingStore.plan_release

    def broken(store: LandingStore, *arguments: t.Any, **named: t.Any) -> ReleasePlan:
        return plan(store, *arguments, **{**named, "settle_ms": 0})

    patch.setattr(LandingStore, "plan_release", broken)


def bookmark_forgets_the_arrival_position(patch: pytest.MonkeyPatch) -> None:
    plan = LandingStore.plan_release

    def broken(store: LandingStore, *arguments: t.Any, **named: t.Any) -> ReleasePlan:
        made = plan(store, *arguments, **named)
        return msgspec.structs.replace(made, start=dataclasses.replace(made.start, position=made.position))

    patch.setattr(LandingStore, "plan_release", broken)


def positions_are_not_in_commit_order(patch: pytest.MonkeyPatch) -> None:
    without = inserts.INSERT_ON_POSTGRESQL.replace("pg_advisory_xact_lock(%s::bigint)", "%s::bigint")
    assert without != inserts.INSERT_ON_POSTGRESQL
    patch.setattr(landing_store, "INSERT_ON_POSTGRESQL", without)


def cut_is_split_along_keys(patch: pytest.MonkeyPatch) -> None:
    split, fill = CutWriter._ranges, CutWriter._insert_items

    def whole_ranges(sheets: CutWriter, claims: Claims) -> list[TimestampRange]:
        ranges = split(sheets, claims)
        if len(ranges) < 2:
            return ranges
        touched = sa.select(sa.func.count()).select_from(planned).where(planned.c.touched)
        parts = -(-(sheets._connection.scalar(touched) or 0) // sheets._max_items)
        return [TimestampRange(ranges[0].start, ranges[-1].end)] * parts

    def some_keys(sheets: CutWriter, number: int, part: TimestampRange | None) -> int:
        keys = sa.select(planned).where(planned.c.touched)
        if part is not None:
            item = tables.cut_item.c
            sent = sa.exists().where(item.cut > sheets._ledger.last_cut(), quantities.same_key(item, planned.c))
            keys = keys.where(~sent).limit(sheets._max_items)
        return fill(sheets, sa.literal(number), keys, planned.c)

    patch.setattr(CutWriter, "_ranges", whole_ranges)
    patch.setattr(CutWriter, "_fill_with_touched", some_keys)


def each_part_carries_the_whole_range(patch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection, cut: Cut) -> Iterator[singer.RecordMessage]:
        part = tables.cut.c
        run = sa.select(part.run).where(part.cut == cut.number).scalar_subquery()
        whole = sa.select(sa.func.min(part.logical_timestamp_start), sa.func.max(part.logical_timestamp_end))
        start, end = connection.execute(whole.where(part.run == run)).one()
        covered = None if cut.range is None else TimestampRange(start, end)
        yield from records.records_of(connection, msgspec.structs.replace(cut, range=covered))

    patch.setattr(stock_run, "records_of", broken)


def each_part_is_computed_as_of_its_own_end(patch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection, cut: Cut) -> Iterator[singer.RecordMessage]:
        later: dict[tuple[str, str], int] = {}
        if cut.range:
            query = (
                sa.select(_unit.fulfillment_node_id, _unit.product_id, sa.func.sum(_unit.units))
                .join(tables.on_hand, quantities.same_key(_row, _unit))
                .where(_unit.logical_timestamp > cut.range.end, Proof().units_missing(tables.completed_unit) > 0)
                .group_by(_unit.fulfillment_node_id, _unit.product_id)
            )
            later = {(node, product): units for node, product, units in connection.execute(query)}
        for message in records.records_of(connection, cut):
            key = message.record["fulfillment_node_id"], message.record["product_id"]
            message.record["quantity"] += later.get(key, 0)
            yield message

    patch.setattr(stock_run, "records_of", broken)


def late_events_cut_goes_below_the_mark(patch: pytest.MonkeyPatch) -> None:
    mark = Planner._mark

    def broken(planner: Planner) -> int | None:
        pending = sa.select(sa.func.max(_unit.logical_timestamp)).where(planner._candidates.not_acknowledged())
        highest: int | None = planner._connection.scalar(pending)
        return mark(planner) if highest is None else highest

    patch.setattr(Planner, "_mark", broken)


def what_the_erp_contains_is_ignored(patch: pytest.MonkeyPatch) -> None:
    for proof in (Proof, Proofs):
        patch.setattr(proof, "units_missing", lambda _, units: units.c.units)


def units_ahead_are_added_back_to_any_row(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        planning, "added_back", lambda mark, _: quantities.added_back(mark, Proofs({"": Proof(form="current")}))
    )


def changes_of_the_erp_alone_are_not_sent(patch: pytest.MonkeyPatch) -> None:
    plan = Planner._plan_keys

    def broken(planner: Planner, mark: int) -> sa.Subquery | None:
        unplanned = plan(planner, mark)
        planner._connection.execute(planned.delete().where(~planned.c.touched))
        return unplanned

    patch.setattr(Planner, "_plan_keys", broken)


def run_without_events_declares_what_the_erp_contains(patch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection, cut: Cut) -> Iterator[singer.RecordMessage]:
        highest = connection.scalar(sa.select(sa.func.max(_row.as_of_logical_timestamp)))
        covered = cut.range or (None if highest is None else TimestampRange(0, highest))
        yield from records.records_of(connection, msgspec.structs.replace(cut, range=covered))

    patch.setattr(stock_run, "records_of", broken)


def same_event_counts_each_time(patch: pytest.MonkeyPatch) -> None:
    complete = LedgerIntake._complete

    def broken(intake: LedgerIntake, units: sa.Select[t.Any], late: sa.ColumnElement[bool], cut: int) -> None:
        unit = units.add_columns(late.label("late")).subquery().c
        event = (unit.event_id + f" in run {intake._ledger.run}").label("event_id")
        # Without a WHERE, SQLite parses ON CONFLICT as a join.
        columns = [event if name == "event_id" else unit[name] for name in UNIT]
        complete(intake, sa.select(*columns).where(unit.units > 0), unit.late, cut)

    patch.setattr(LedgerIntake, "_complete", broken)


def what_was_planned_once_is_not_repeated(patch: pytest.MonkeyPatch) -> None:
    pending = Candidates.not_acknowledged

    def broken(found: Candidates) -> sa.ColumnElement[bool]:
        planned = sa.exists().where(tables.cut.c.cut == _unit.cut, tables.cut.c.run < found._ledger.run)
        return sa.and_(pending(found), ~planned)

    patch.setattr(Candidates, "not_acknowledged", broken)


def what_was_planned_counts_as_imported(patch: pytest.MonkeyPatch) -> None:
    acknowledge = Ledger.acknowledge

    def broken(ledger: Ledger, *arguments: t.Any, **named: t.Any) -> Acknowledged:
        return msgspec.structs.replace(acknowledge(ledger, *arguments, **named), cut=ledger.last_cut())

    patch.setattr(Ledger, "acknowledge", broken)


def what_newstore_never_got_seems_imported(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cut_writer, "forget_numbers_not_sent", lambda *_: None)


def state_goes_out_before_the_import_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ImportJobs, "_wait", lambda *_: None)


def what_came_of_a_cut_is_imported(patch: pytest.MonkeyPatch) -> None:
    def broken(intake: CutIntake) -> None:
        if intake._cut_file is not None:
            intake._import_cut(intake._cut_file)

    patch.setattr(CutIntake, "refuse_open_cut", broken)


def run_begins_while_an_earlier_job_is_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(StockImport, "_clear_the_way", lambda _: None)


def after_a_failed_import_the_next_one_begins(patch: pytest.MonkeyPatch) -> None:
    run = StockImport.run

    def broken(stock_import: StockImport, *arguments: t.Any) -> None:
        try:
            run(stock_import, *arguments)
        except ImportJobError:
            return

    patch.setattr(StockImport, "run", broken)
