"""Bookings and numbers of one database are of one moment, whoever writes in between (form `booked`)."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.run import erp_rows

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path


SKU = ("DC01", "SKU-1")
TABLES = (
    "CREATE TABLE stock (fulfillment_node_id varchar(50), product_id varchar(50), quantity integer)",
    "CREATE TABLE booked (fulfillment_request_id varchar(50), product_id varchar(50))",
    "INSERT INTO stock VALUES ('DC01', 'SKU-1', 8)",
    "INSERT INTO booked VALUES ('fr-11', 'SKU-1'), ('fr-12', 'SKU-1')",
)
TAKEN_BACK = ("UPDATE stock SET quantity = 9", "DELETE FROM booked WHERE fulfillment_request_id = 'fr-12'")


class Erp:
    """An ERP that has booked two units and takes one booking back."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def do(self, *statements: str) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def erp(request: pytest.FixtureRequest, tmp_path: Path) -> Erp:
    if request.param == "sqlite":
        erp = Erp(f"sqlite:///{tmp_path / 'erp.db'}")
        with sa.create_engine(erp.url, poolclass=sa.NullPool).connect() as connection:
            # Somebody may write while a run reads.
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    else:
        erp = Erp(request.getfixturevalue(request.param).new_database())
    erp.do(*TABLES)
    return erp


def test_a_booking_taken_back_while_the_mapper_reads_changes_nothing_before_the_next_run(
    tmp_path: Path, erp: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = erp_rows.load_rows

    def read_after_it_is_taken_back(*arguments: t.Any) -> tuple[int, int]:
        erp.do(*TAKEN_BACK)
        return read(*arguments)

    day = ShopDay(
        tmp_path,
        on_hand_as_of="booked",
        on_hand_url=erp.url,
        on_hand_table="stock",
        booked_table="booked",
        booked_reversible=True,
    )
    monkeypatch.setattr("mapper_newstore_stock.run.list_reading.load_rows", read_after_it_is_taken_back)
    (cut,) = day.run(completed(11, fulfillment_request_id="fr-11"), completed(12, fulfillment_request_id="fr-12"))
    # 8, and both are in it: with the 9 of a moment later, a unit would be sold twice.
    assert cut.quantities == {SKU: 8}
    monkeypatch.setattr("mapper_newstore_stock.run.list_reading.load_rows", read)
    assert day.run() == []
