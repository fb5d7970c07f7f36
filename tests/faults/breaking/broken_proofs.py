"""The forms of proof, deliberately broken: by the product, or by who gives it numbers of another kind."""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa
from mapper_newstore_stock.ledger import proof, retention
from mapper_newstore_stock.run import (
    booked_groups,
    booked_units,
    candidates,
    erp_inputs,
    source_reads,
    source_rows,
    sources,
)
from mapper_newstore_stock.run.booking_lists import BookingReader, ReadBookings, load_bookings
from mapper_newstore_stock.run.erp_tables import ErpTables

from tests.faults.players import one_process
from tests.faults.players.erp_on_disk import ErpOnDisk, ListsOnDisk
from tests.shop.erp import Erp

if t.TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from mapper_newstore_stock.run.bookings import BookingSource
    from mapper_newstore_stock.run.source_reads import SourceRead

    from tests.faults.players.erp_on_disk import Rows
    from tests.faults.stories.schedules import Options


class HighestBooked(ErpOnDisk):
    """Its as-of is the highest timestamp it has booked: what the column means to somebody in a hurry."""

    def write(self, rows: Rows, failing: frozenset[str]) -> None:
        del failing
        numbers = {key: (row.quantity, max((b.at for b in row.bookings), default=None)) for key, row in rows.items()}
        self._erp.replace(numbers)


def highest_booked_is_taken_for_a_low_water_mark(patch: pytest.MonkeyPatch) -> None:
    def broken(_options: Options, directory: Path, _skew: int) -> ErpOnDisk:
        return HighestBooked(Erp(directory / "on_hand.csv"), "column")

    patch.setattr(one_process, "erp_on_disk", broken)


def file_is_taken_for_current(patch: pytest.MonkeyPatch) -> None:
    def broken(_options: Options, directory: Path, skew: int) -> ErpOnDisk:
        erp = ListsOnDisk(directory / "on_hand.csv", skew)
        erp.settings["on_hand_as_of"] = "current"
        return erp

    patch.setattr(one_process, "erp_on_disk", broken)
    for module in (sources, erp_inputs):
        patch.setattr(module, "check_source", lambda _config: None)
    patch.setattr(ErpTables, "is_standby", lambda *_: False)


def skew_is_too_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        one_process, "erp_on_disk", lambda _options, directory, _skew: ListsOnDisk(directory / "on_hand.csv", 0)
    )


def whole_group_counts_when_a_part_is_booked(patch: pytest.MonkeyPatch) -> None:
    right = booked_groups._listed

    def broken() -> sa.Select[t.Any]:
        listed = right().subquery().c
        return sa.select(*list(listed)[:-1], sa.cast(sa.null(), sa.BigInteger).label("units"))

    patch.setattr(booked_groups, "_listed", broken)


def units_of_another_key_prove_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(booked_groups, "_is_apart", lambda _source, _name: False)


def folded_units_prove_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_add_up_bookings", lambda *_: None)


def bookings_are_read_after_the_numbers(patch: pytest.MonkeyPatch) -> None:
    def broken(connection: sa.Connection, source: BookingSource, read: ReadBookings, **rest: t.Any) -> t.Any:
        with ErpTables() as erp:
            load_bookings(connection, source, erp)
        return booked_units.prove_units(connection, source, read, **rest)

    patch.setattr(BookingReader, "load", lambda *_: ReadBookings(0))
    patch.setattr(source_rows, "prove_units", broken)


def rows_of_a_dead_source_are_fresh(patch: pytest.MonkeyPatch) -> None:
    def broken(*args: t.Any) -> SourceRead:
        read = source_reads.let_rows_stand(*args)
        return msgspec.structs.replace(read, proof=msgspec.structs.replace(read.proof, known_run=None))

    patch.setattr(source_rows, "let_rows_stand", broken)


def completions_of_held_keys_are_claimed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(candidates, "held_timestamps", lambda *_: [])


def rows_that_stand_prove_what_others_do(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(proof, "_standing", lambda unit: unit.booked)


#: What stories in one process catch, with the ERP that shows it.
BY_STORIES: dict[str, tuple[t.Callable[[pytest.MonkeyPatch], None], dict[str, t.Any]]] = {
    "the highest booked timestamp is taken for a low-water mark": (
        highest_booked_is_taken_for_a_low_water_mark,
        {"erp": "books"},
    ),
    "a file is taken for current": (file_is_taken_for_current, {"erp": "lists"}),
    "the skew is too small": (skew_is_too_small, {"erp": "lists"}),
    "a whole group counts when a part is booked": (
        whole_group_counts_when_a_part_is_booked,
        {"erp": "books", "booked_by": "request"},
    ),
    "a dead source's rows are taken for fresh": (
        rows_of_a_dead_source_are_fresh,
        {"erp": "current", "has_sources": True, "rows_stand": True},
    ),
    "a row read earlier proves what is booked now": (
        rows_that_stand_prove_what_others_do,
        {"erp": "books", "erp_reverses": False, "vanished": "keep"},
    ),
    "a completion of a key without a row is claimed": (
        completions_of_held_keys_are_claimed,
        {"erp": "ships", "unknown": 2},
    ),
    "units of another key prove it": (units_of_another_key_prove_it, {"erp": "books", "booked_by": "event"}),
}
