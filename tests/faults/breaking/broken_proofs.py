"""The forms of proof, deliberately broken: by the product, or by who gives it numbers of another kind."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from mapper_newstore_stock import mapper
from mapper_newstore_stock.ledger import retention
from mapper_newstore_stock.ledger.temporary_tables import read_booking
from mapper_newstore_stock.run import booked_units, erp_inputs
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.stock_run import StockRun

from tests.faults.players import one_process
from tests.faults.players.erp_on_disk import ErpOnDisk, ListsOnDisk
from tests.shop.erp import Erp

if t.TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from mapper_newstore_stock.ledger.proof import Proof
    from mapper_newstore_stock.run.on_hand import OnHandSource

    from tests.faults.players.erp_on_disk import Rows
    from tests.faults.stories.schedules import Options


class HighestBooked(ErpOnDisk):
    """Its as-of is the highest timestamp it has booked: what the column means to somebody in a hurry."""

    def write(self, rows: Rows) -> None:
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
    for module in (mapper, erp_inputs):
        patch.setattr(module, "check_form", lambda _config: None)
    patch.setattr(ErpTables, "is_standby", lambda *_: False)


def skew_is_too_small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        one_process, "erp_on_disk", lambda _options, directory, _skew: ListsOnDisk(directory / "on_hand.csv", 0)
    )


def whole_group_counts_when_a_part_is_booked(patch: pytest.MonkeyPatch) -> None:
    def broken() -> sa.Select[t.Any]:
        row = read_booking.c
        key = (row.reference, row.product_id, row.fulfillment_node_id)
        return sa.select(*key, sa.cast(sa.null(), sa.BigInteger).label("units")).group_by(*key)

    patch.setattr(booked_units, "_booked_groups", broken)


def units_of_another_key_prove_it(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(booked_units, "_group", lambda _source: ["reference"])


def folded_units_prove_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retention, "_add_up_bookings", lambda *_: None)


def bookings_are_read_after_the_numbers(patch: pytest.MonkeyPatch) -> None:
    def broken(run: StockRun, source: OnHandSource) -> Proof:
        with ErpTables() as erp:
            proof = run._inputs.proof(erp)
            run._read_on_hand(source, erp)
            assert run._inputs.bookings
            booked_units.take_bookings(run._ledger.connection, run._inputs.bookings, erp, anew=False)
        return proof

    patch.setattr(StockRun, "_read_erp", broken)


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
    "units of another key prove it": (units_of_another_key_prove_it, {"erp": "books", "booked_by": "event"}),
}
