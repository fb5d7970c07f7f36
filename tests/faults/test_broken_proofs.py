"""Each way to take for contained what is not is caught; the product itself is not."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.run.erp_tables import ErpTables

from tests.faults.breaking import broken_proofs
from tests.faults.breaking.broken_proofs import BY_STORIES
from tests.faults.players.one_process import play
from tests.mapper.sql_erp import SKU, SqlErp, a_completion, a_day, at, booked_by

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mapper_newstore_stock.run.found_rows import Block

#: Usually one of the first catches it.
SEEDS = range(60)


@pytest.mark.parametrize("name", BY_STORIES)
def test_a_broken_proof_oversells(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks, options = BY_STORIES[name]
    breaks(monkeypatch)
    verdicts = (play(seed, breaks_the_promise=False, **options) for seed in SEEDS)
    assert any(verdict.oversold and verdict.counts["imports"] for verdict in verdicts)


@pytest.mark.parametrize("name", BY_STORIES)
def test_the_product_does_not(name: str) -> None:
    _, options = BY_STORIES[name]
    for seed in SEEDS[:4]:
        assert play(seed, breaks_the_promise=False, **options).failures == []


def test_a_folded_unit_that_proves_twice_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert after_folding(tmp_path / "right") == 8
    broken_proofs.folded_units_prove_twice(monkeypatch)
    assert after_folding(tmp_path / "broken") == 9


def after_folding(directory: Path) -> int:
    """Return what is sent for a second unit of a request whose first one was booked and folded away."""
    directory.mkdir()
    erp = SqlErp(directory / "erp.db")
    erp.count(*SKU, 10, at(0))
    columns = booked_by("fulfillment_request_id", "product_id")
    day = a_day(directory, f"sqlite:///{directory / 'ledger.db'}", erp, ledger_keep_days=0, **columns)
    day.run(a_completion(11))
    erp.book(request="fr-11")
    erp.count(*SKU, 9)
    day.run()
    day.run()
    (cut,) = day.run(a_completion(12, fulfillment_request_id="fr-11"))
    return cut.quantities[SKU]


def test_bookings_read_after_the_numbers_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert while_the_erp_books(tmp_path / "right", monkeypatch) == 8
    broken_proofs.bookings_are_read_after_the_numbers(monkeypatch)
    assert while_the_erp_books(tmp_path / "broken", monkeypatch) == 10


def while_the_erp_books(directory: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return what is sent for one completed unit of ten when the ERP books it between the two readings."""
    directory.mkdir()
    erp, elsewhere = SqlErp(directory / "erp.db"), SqlErp(directory / "bookings.db")
    erp.count(*SKU, 10, at(0))
    day = a_day(
        directory, f"sqlite:///{directory / 'ledger.db'}", erp, booked_url=elsewhere.url, **booked_by("event_id")
    )
    event, read = a_completion(11), ErpTables.blocks
    read_places: list[str] = []

    def reading(tables: ErpTables, place: t.Any, *arguments: t.Any, **named: t.Any) -> Iterator[Block]:
        yield from read(tables, place, *arguments, **named)
        read_places.append(place.setting)
        if len(read_places) == 1:
            elsewhere.book(event["event_id"])
            erp.count(*SKU, 9, at(1))

    with monkeypatch.context() as patch:
        patch.setattr(ErpTables, "blocks", reading)
        (cut,) = day.run(event)
    assert sorted(read_places) == ["booked", "on_hand"]
    return cut.quantities[SKU]
