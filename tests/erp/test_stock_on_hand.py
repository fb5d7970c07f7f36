"""The ERP's numbers on a real PostgreSQL: each change once, and an `as_of` that is true."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from newstore_erp_postgresql import stock

from tests.shop.erp_database import Change, ErpDatabase
from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

SKU = ("DC01", "A")


@pytest.fixture
def erp(postgresql: PostgreSql) -> ErpDatabase:
    return ErpDatabase(postgresql.new_database())


def completed(at: int, units: int = 1, product: str = "A") -> Change:
    return (f"completed-{at}", "DC01", product, at, -units, -units)


def assigned(at: int, units: int = 1, product: str = "A") -> Change:
    return (f"assigned-{at}", "DC01", product, at, 0, units)


def number(erp: ErpDatabase, product: str = "A") -> tuple[int, int, int | None]:
    row = erp.numbers()["DC01", product]
    return row["quantity"], row["allocated"], row["as_of_logical_timestamp"]


def test_changes_move_quantity_allocations_and_as_of(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(assigned(6, 3), completed(10), completed(12))
    assert erp.apply() == stock.Applied(3, 0, ())
    assert number(erp) == (8, 1, 12)


def test_a_change_loaded_applied_or_replayed_again_counts_once(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    for _ in range(3):
        erp.load(completed(10), completed(11, 2))
        erp.apply()
    with erp.engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE newstore.stock_changes"))
    erp.load(completed(10), completed(11, 2))
    assert erp.apply().changes == 0
    assert number(erp)[0] == 7


def test_two_callers_at_once_book_each_change_once(erp: ErpDatabase) -> None:
    erp.count(*SKU, 1000)
    erp.load(*(completed(at) for at in range(1, 301)))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = [pool.submit(erp.apply, through) for through in (100, 200, 300, 300, 200, 100)]
        received = [pool.submit(erp.receive_goods, *SKU, 1) for _ in range(10)]
        booked = sum(each.result().changes for each in done)
        for each in received:
            each.result()
    assert booked == 300
    assert number(erp) == (710, -300, 300)


def test_nothing_is_booked_beyond_what_the_mapper_has_taken(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(10), completed(11), completed(12))
    assert erp.apply(through=11) == stock.Applied(2, 1, ())
    assert number(erp) == (8, -2, 11)
    assert erp.apply(through=None).changes == 0


def test_a_late_change_is_booked_and_as_of_never_goes_back(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(12))
    erp.apply(through=12, run=1)
    erp.load(completed(11))
    erp.apply(through=12, run=1)
    assert number(erp) == (8, -2, 12)


def test_as_of_advances_after_the_run_that_took_a_late_change(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(12))
    erp.apply(through=12, run=1)
    erp.load(completed(11))
    erp.apply(through=12, run=1)
    assert number(erp)[2] == 12
    erp.apply(through=15, run=1)
    assert number(erp)[2] == 12, "the mapper has not had a run since"
    erp.apply(through=15, run=2)
    assert number(erp)[2] == 15
    erp.apply(through=20, run=3)
    assert number(erp)[2] == 15, "once is enough"


def test_a_key_without_a_row_waits_for_its_count(erp: ErpDatabase) -> None:
    erp.load(completed(10), completed(11))
    assert erp.apply() == stock.Applied(0, 2, ("DC01/A",))
    assert {row["reason"] for row in erp.rows("SELECT reason FROM newstore.stock_waiting")} == {"no row"}
    erp.count(*SKU, 5, through=10)
    assert erp.apply() == stock.Applied(2, 0, ())
    assert number(erp) == (4, -2, 11)


def test_programs_read_what_was_booked(erp: ErpDatabase, tmp_path: Path) -> None:
    erp.load(completed(10), completed(11))
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as ledger:
        ledger.executescript("CREATE TABLE runs (run, taken_through); INSERT INTO runs VALUES (1, 11)")
    urls = [f"--database-url={erp.url}", f"--ledger-url=sqlite:///{tmp_path / 'ledger.db'}"]
    done = run_command("newstore-erp-postgresql", "apply", *urls, "--format=json")
    assert json.loads(done.stdout) == {"changes": 0, "waiting": 2, "keys_without_row": ["DC01/A"]}
    erp.count(*SKU, 5, through=10)
    done = run_command("newstore-erp-postgresql", "apply", *urls, "--format=json")
    assert json.loads(done.stdout) == {"changes": 2, "waiting": 0, "keys_without_row": []}


@pytest.mark.parametrize(
    "url", ["sqlite:/x", "sqlite//x", "sqlite", "nothing", "nothing://x", "postgresql://u:hush@h:no/d"]
)
def test_what_is_no_url_is_named_in_one_line(url: str) -> None:
    for setting, arguments in (
        ("database_url", ["setup", f"--database-url={url}"]),
        ("ledger_url", ["apply", "--database-url=postgresql://h/d", f"--ledger-url={url}"]),
    ):
        done = run_command("newstore-erp-postgresql", *arguments)
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: {setting}: ")
        assert line.endswith(f"Correct {setting} [NSS-401]")
        assert "hush" not in line


@pytest.mark.parametrize(
    ("setting", "url", "said"),
    [
        ("database_url", "sqlite:///erp.db", "expected PostgreSQL, got sqlite"),
        ("database_url", "mysql://u:hush@127.0.0.1:1/d", "expected PostgreSQL, got mysql"),
        ("ledger_url", "mysql+pymysql://u:hush@127.0.0.1:1/d", "expected SQLite or PostgreSQL, got mysql"),
    ],
)
def test_another_kind_of_database_is_a_wrong_setting(setting: str, url: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    given = {"database_url": "postgresql://h/d", "ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}"} | {setting: url}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    command = ["setup", options[0]] if setting == "database_url" else ["apply", *options]
    done = run_command("newstore-erp-postgresql", *command)
    assert done.stderr == f"Error: {setting}: {said}. Correct {setting} [NSS-401]\n"
    assert done.returncode == 2


def test_a_database_that_refuses_to_be_set_up_is_one_line(postgresql: PostgreSql) -> None:
    url = sa.make_url(postgresql.new_database()).update_query_dict({"options": "-c default_transaction_read_only=on"})
    done = run_command("newstore-erp-postgresql", "setup", f"--database-url={url.render_as_string(False)}")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: database_url: cannot execute CREATE SCHEMA in a read-only transaction. ")
    assert line.endswith(" [NSS-400]")
    assert done.returncode == 1


@pytest.mark.parametrize("kind", ["no file", "an empty SQLite", "an empty PostgreSQL"])
def test_before_the_first_run_apply_says_what_to_run(
    erp: ErpDatabase, postgresql: PostgreSql, tmp_path: Path, kind: str
) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    if kind == "an empty SQLite":
        (tmp_path / "ledger.db").touch()
    elif kind == "an empty PostgreSQL":
        ledger = postgresql.new_database()
    done = run_command("newstore-erp-postgresql", "apply", f"--database-url={erp.url}", f"--ledger-url={ledger}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "run newstore-stock-sync first" in done.stderr
    assert "Error: ledger_url: no " in done.stderr
    assert done.stderr.endswith(" [NSS-400]\n")


def test_a_count_contains_what_was_loaded_before_it(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(10), completed(11))
    erp.count(*SKU, 7)
    erp.apply()
    assert number(erp) == (7, -2, 11)
    erp.load(completed(12))
    erp.apply()
    assert number(erp) == (6, -3, 12)


def test_a_change_that_arrives_after_the_count_containing_it_leaves_the_number(erp: ErpDatabase) -> None:
    erp.count(*SKU, 7, through=20)
    erp.load(completed(15), completed(21))
    erp.apply()
    assert number(erp) == (6, -2, 21)


def test_what_was_booked_since_is_subtracted_from_an_old_count(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(10), completed(11), completed(12))
    erp.apply()
    erp.count(*SKU, 9, through=10)
    assert number(erp) == (7, -3, 12)


def test_an_older_count_after_a_newer_one_claims_no_more_than_it_contains(erp: ErpDatabase) -> None:
    erp.load(completed(60))
    erp.count(*SKU, 5, through=100)
    erp.count(*SKU, 6, through=40)
    assert number(erp) == (6, 0, 40)
    erp.apply()
    assert number(erp) == (5, -1, 60)


def test_receiving_goods_needs_a_row(erp: ErpDatabase) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="DC01 has no stock of A: count it first") as raised:
        erp.receive_goods(*SKU, 5)
    assert raised.type is sa.exc.ProgrammingError
    erp.count(*SKU, 1)
    erp.receive_goods(*SKU, 5)
    assert number(erp)[0] == 6


def test_running_setup_again_keeps_everything(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(10))
    erp.apply()
    stock.setup(erp.url)
    assert erp.apply().changes == 0
    assert number(erp) == (9, -1, 10)


def test_setup_records_changes_loaded_before_it(postgresql: PostgreSql) -> None:
    erp = ErpDatabase(postgresql.new_database())
    with erp.engine.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER note_stock_changes ON newstore.stock_changes"))
    erp.load(completed(10))
    erp.count(*SKU, 10)
    stock.setup(erp.url)
    erp.load(completed(11))
    assert erp.apply().changes == 2
    assert number(erp)[0] == 8


def test_updated_at_grows_in_commit_order(erp: ErpDatabase) -> None:
    erp.count(*SKU, 0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(erp.receive_goods, *SKU, 1) for _ in range(20)]:
            each.result()
    erp.count("DC01", "B", 1)
    rows = erp.rows("SELECT product_id, quantity FROM newstore.stock_on_hand ORDER BY updated_at")
    assert [(row["product_id"], row["quantity"]) for row in rows] == [("A", 20), ("B", 1)]


def test_what_is_booked_is_listed_in_whatever_order(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(assigned(6, 3), completed(10), completed(12, 2))
    assert booked(erp) == {}
    erp.book_latest(1)
    assert (booked(erp), number(erp)) == ({"completed-12": 2}, (8, 1, None))
    erp.book_latest(1)
    assert (booked(erp), number(erp)) == ({"completed-10": 1, "completed-12": 2}, (7, 0, None))


def test_what_a_count_has_found_gone_is_listed_before_it_is_booked(erp: ErpDatabase) -> None:
    erp.count(*SKU, 10)
    erp.load(completed(10), completed(12))
    erp.count(*SKU, 9, 10)
    assert (booked(erp), number(erp)[0]) == ({"completed-10": 1}, 9)
    erp.book_latest(2)
    assert (booked(erp), number(erp)[0]) == ({"completed-10": 1, "completed-12": 1}, 8)


def booked(erp: ErpDatabase) -> dict[str, int]:
    return {row["event_id"]: row["units"] for row in erp.rows("SELECT event_id, units FROM newstore.stock_booked")}
