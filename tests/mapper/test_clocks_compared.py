"""How far clocks are apart is measured each run, and refused beyond the skew (form `taken_at`)."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.run import clocks
from mapper_newstore_stock.run.clocks import Difference, database_difference, newstore_difference, refuse_difference

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.sql_erp import at
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.mariadb import MariaDb
    from tests.shop.postgresql import PostgreSql

HOUR_MS = 3_600_000


def difference_of(url: str) -> Difference | None:
    engine = open_engine(url)
    with engine.connect() as connection:
        difference = database_difference(connection)
    engine.dispose()
    return difference


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_a_database_on_this_machine_has_this_machines_time(server: str, request: pytest.FixtureRequest) -> None:
    difference = difference_of(request.getfixturevalue(server).new_database())
    assert difference is not None
    assert difference.least <= 0 <= difference.most
    assert difference.most - difference.least < HOUR_MS


def test_the_zone_of_a_session_changes_nothing(mariadb: MariaDb) -> None:
    difference = difference_of(begun_with(mariadb.new_database(), "SET time_zone = '+05:00'"))
    assert difference is not None
    assert difference.certain == 0


def begun_with(url: str, statement: str) -> str:
    """Return a URL of MariaDB whose sessions begin with a statement."""
    begun = sa.make_url(url).update_query_dict({"init_command": statement})
    return begun.render_as_string(hide_password=False)


def test_a_file_of_sqlite_has_no_clock_of_its_own(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'erp.db'}")
    with engine.connect() as connection:
        assert database_difference(connection) is None
    engine.dispose()


def test_newstores_time_is_in_the_date_of_its_answers(tmp_path: Path) -> None:
    newstore = NewStore(tmp_path)
    try:
        difference = newstore_difference(newstore.url)
    finally:
        newstore.process.stop()
    assert difference.least <= 0 <= difference.most


def test_a_clock_that_cannot_be_asked_is_said_so() -> None:
    with pytest.raises(OnHandError, match=r"newstore_clock_url: http://127\.0\.0\.1:9 does not tell NewStore's time"):
        newstore_difference("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("newstore", "erp", "said"),
    [
        (None, Difference(121_000, 122_000), "the ERP's clock and this host's are 121.0 s apart"),
        (None, Difference(-123_000, -121_500), "the ERP's clock and this host's are 121.5 s apart"),
        (Difference(-100_000, -99_000), Difference(30_000, 31_000), "the ERP's clock and NewStore's are 129.0 s apart"),
        (Difference(130_000, 131_000), None, "this host's clock and NewStore's are 130.0 s apart"),
    ],
)
def test_clocks_further_apart_than_the_skew_are_refused(
    newstore: Difference | None, erp: Difference | None, said: str
) -> None:
    with pytest.raises(OnHandError, match=said):
        refuse_difference(newstore, erp, 120)


@pytest.mark.parametrize(
    ("newstore", "erp"),
    [
        (None, None),
        (None, Difference(-120_000, 500_000)),
        # Both are wrong by the same hour: what is published and what is taken fit each other.
        (Difference(HOUR_MS, HOUR_MS), Difference(HOUR_MS, HOUR_MS)),
    ],
)
def test_what_may_be_within_the_skew_is_not(newstore: Difference | None, erp: Difference | None) -> None:
    refuse_difference(newstore, erp, 120)


def test_a_run_whose_erp_is_an_hour_off_sends_nothing(
    tmp_path: Path, postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.new_database()
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE stock (fulfillment_node_id text, product_id text, quantity integer, counted_at timestamptz)"
        )
        connection.exec_driver_sql(f"INSERT INTO stock VALUES ('DC01', 'SKU-1', 10, '{at(0)}')")
    engine.dispose()
    day = ShopDay(
        tmp_path,
        on_hand_as_of="taken_at",
        on_hand_url=url,
        on_hand_table="stock",
        on_hand_columns={"taken_at": "counted_at"},
    )
    (cut,) = day.run(completed(11, published_at=at(-30)))
    assert cut.quantities == {("DC01", "SKU-1"): 10}
    monkeypatch.setitem(clocks.UTC_NOW, "postgresql", "SELECT clock_timestamp() AT TIME ZONE 'UTC' + interval '1 hour'")
    with pytest.raises(OnHandError, match="more than clock_skew_seconds"):
        day.run(completed(12))


@pytest.mark.parametrize(("seconds", "sent"), [(60, True), (-60, True), (3600, False), (-3600, False)])
def test_an_erp_on_mariadb_whose_clock_is_off_is_refused_beyond_the_skew(
    tmp_path: Path, mariadb: MariaDb, seconds: int, sent: bool
) -> None:
    url = mariadb.new_database(
        "CREATE TABLE stock (fulfillment_node_id varchar(50), product_id varchar(50), quantity int, taken_at datetime);"
        "INSERT INTO stock VALUES ('DC01', 'SKU-1', 10, '2025-03-04 12:00:00')"
    )
    # The session's own clock, as the server would have it.
    url = begun_with(url, f"SET timestamp = UNIX_TIMESTAMP() + {seconds}")
    day = ShopDay(tmp_path, on_hand_as_of="taken_at", on_hand_url=url, on_hand_table="stock")
    if sent:
        (cut,) = day.run(completed(11, published_at=at(-30)), completed(12, published_at=at(30)))
        assert cut.quantities == {("DC01", "SKU-1"): 9}
    else:
        with pytest.raises(OnHandError, match=r"the ERP's clock and this host's are 3\d{3}\.\d s apart"):
            day.run(completed(11, published_at=at(-30)))
